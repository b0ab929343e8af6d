// SPDX-License-Identifier: MIT

package engine

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

// named is one field of Safe in the three ways in which it can be given.
type named struct {
	manager, plugin func(*Safe) // names it
	field           string      // of policy
	byManager       any         // what holds if only the manager names it
	byPlugin        any         // if the plugin names it
	byNobody        any
}

var eachField = map[string]named{
	"Files":               {nil, func(s *Safe) { s.Files = []string{"p"} }, "files", nil, []string{"p"}, []string(nil)},
	"no Files":            {nil, func(s *Safe) { s.Files = []string{} }, "files", nil, []string{}, []string(nil)},
	"Image":               {func(s *Safe) { s.Image = new(true) }, func(s *Safe) { s.Image = new(false) }, "image", true, false, false},
	"Symbols":             {func(s *Safe) { s.Symbols = []string{"m"} }, func(s *Safe) { s.Symbols = []string{"p"} }, "symbols", []string{"m"}, []string{"p"}, []string(nil)},
	"AllowList":           {func(s *Safe) { s.AllowList = new("m") }, func(s *Safe) { s.AllowList = new("p") }, "allowList", "m", "p", ""},
	"PublicKeys":          {func(s *Safe) { s.PublicKeys = []string{keyText} }, func(s *Safe) { s.PublicKeys = []string{otherKey} }, "publicKeys", []string{keyText}, []string{otherKey}, []string(nil)},
	"Signature":           {nil, func(s *Safe) { s.Signature = new("p") }, "signature", nil, "p", ""},
	"ListNames":           {func(s *Safe) { s.ListNames = new(true) }, func(s *Safe) { s.ListNames = new(false) }, "listNames", true, false, false},
	"NoUnique":            {func(s *Safe) { s.NoUnique = new(true) }, func(s *Safe) { s.NoUnique = new(false) }, "noUnique", true, false, false},
	"Manifest":            {nil, func(s *Safe) { s.Manifest = new("p") }, "manifest", nil, "p", ""},
	"PluginName":          {nil, func(s *Safe) { s.PluginName = new("p") }, "pluginName", nil, "p", ""},
	"MinVersion":          {func(s *Safe) { s.MinVersion = new("1") }, func(s *Safe) { s.MinVersion = new("2") }, "minVersion", "1", "2", ""},
	"RisingVersion":       {func(s *Safe) { s.RisingVersion = new(true) }, func(s *Safe) { s.RisingVersion = new(false) }, "rising", true, false, false},
	"VersionDir":          {func(s *Safe) { s.VersionDir = new("m") }, func(s *Safe) { s.VersionDir = new("p") }, "versionDir", "m", "p", ""},
	"StrictModes":         {func(s *Safe) { s.StrictModes = new(true) }, func(s *Safe) { s.StrictModes = new(false) }, "strictModes", true, false, false},
	"MaxSize":             {func(s *Safe) { s.MaxSize = 2 }, func(s *Safe) { s.MaxSize = 1 }, "maxSize", 2, 1, DefaultMaxSize},
	"no MaxSize":          {func(s *Safe) { s.MaxSize = 2 }, func(s *Safe) { s.MaxSize = SafeNone }, "maxSize", 2, 0, DefaultMaxSize},
	"ValidatorTimeout":    {func(s *Safe) { s.ValidatorTimeout = 2 * ms }, func(s *Safe) { s.ValidatorTimeout = ms }, "validatorTimeout", 2 * ms, ms, time.Duration(0)},
	"no ValidatorTimeout": {func(s *Safe) { s.ValidatorTimeout = 2 * ms }, func(s *Safe) { s.ValidatorTimeout = SafeNone }, "validatorTimeout", 2 * ms, time.Duration(0), time.Duration(0)},
	"AcceptOnTimeout":     {func(s *Safe) { s.AcceptOnTimeout = new(true) }, func(s *Safe) { s.AcceptOnTimeout = new(false) }, "acceptOnTimeout", true, false, false},
	"ReportTimeout":       {func(s *Safe) { s.ReportTimeout = 2 * ms }, func(s *Safe) { s.ReportTimeout = ms }, "reportTimeout", 2 * ms, ms, time.Duration(0)},
	"no ReportTimeout":    {func(s *Safe) { s.ReportTimeout = 2 * ms }, func(s *Safe) { s.ReportTimeout = SafeNone }, "reportTimeout", 2 * ms, time.Duration(0), time.Duration(0)},
	"Retries":             {func(s *Safe) { s.Retries = 2 }, func(s *Safe) { s.Retries = 1 }, "retries", 2, 1, 0},
	"no Retries":          {func(s *Safe) { s.Retries = 2 }, func(s *Safe) { s.Retries = SafeNone }, "retries", 2, 0, 0},
	"RetryDelay":          {func(s *Safe) { s.RetryDelay = 2 * ms }, func(s *Safe) { s.RetryDelay = ms }, "retryDelay", 2 * ms, ms, DefaultRetryDelay},
	"Keep":                {func(s *Safe) { s.Keep = 5 }, func(s *Safe) { s.Keep = 2 }, "keep", 5, 2, 1},
	"no Keep":             {func(s *Safe) { s.Keep = 5 }, func(s *Safe) { s.Keep = KeepNone }, "keep", 5, 0, 1},
}

func policyField(t *testing.T, p *policy, name string) any {
	t.Helper()
	f := reflect.ValueOf(p).Elem().FieldByName(name)
	if !f.IsValid() {
		t.Fatalf("policy has no field %q", name)
	}
	switch f.Kind() {
	case reflect.Bool:
		return f.Bool()
	case reflect.String:
		return f.String()
	case reflect.Slice:
		if f.IsNil() {
			return []string(nil)
		}
		out := make([]string, f.Len())
		for i := range out {
			out[i] = f.Index(i).String()
		}
		return out
	case reflect.Int64:
		if f.Type() == reflect.TypeFor[time.Duration]() {
			return time.Duration(f.Int())
		}
	}
	return int(f.Int())
}

// What a manager asks for holds for a plugin unless the plugin names that field;
// naming one field takes nothing else away.
func TestEachSafeguardOfAManagerHoldsUnlessThePluginNamesIt(t *testing.T) {
	covered := map[string]bool{}
	for what, n := range eachField {
		covered[strings.TrimPrefix(what, "no ")] = true
		manager, plugin := &Safe{}, &Safe{}
		n.plugin(plugin)
		if n.manager != nil {
			n.manager(manager)
			for _, own := range []*Safe{nil, {}} {
				if got := policyField(t, mergeSafe(manager, own), n.field); !reflect.DeepEqual(got, n.byManager) {
					t.Errorf("%s: the plugin names nothing, and %v holds, not the manager's %v", what, got, n.byManager)
				}
			}
			if err := manager.checkForAll(); err != nil {
				t.Errorf("%s: %v", what, err)
			}
		}
		if got := policyField(t, mergeSafe(manager, plugin), n.field); !reflect.DeepEqual(got, n.byPlugin) {
			t.Errorf("%s: the plugin names it, and %v holds, not its %v", what, got, n.byPlugin)
		}
		if got := policyField(t, mergeSafe(nil, plugin), n.field); !reflect.DeepEqual(got, n.byPlugin) {
			t.Errorf("%s: without a manager's, %v holds, not the plugin's %v", what, got, n.byPlugin)
		}
		if got := policyField(t, mergeSafe(nil, &Safe{}), n.field); !reflect.DeepEqual(got, n.byNobody) {
			t.Errorf("%s: nobody names it, and %v holds, not %v", what, got, n.byNobody)
		}
		if err := plugin.check(); err != nil {
			t.Errorf("%s: %v", what, err)
		}
		// Every other field of the manager's stays.
		full := &Safe{}
		for other, o := range eachField {
			if o.manager != nil && !strings.HasPrefix(other, "no ") {
				o.manager(full)
			}
		}
		merged := mergeSafe(full, plugin)
		for other, o := range eachField {
			if o.field != n.field && o.manager != nil {
				if got := policyField(t, merged, o.field); !reflect.DeepEqual(got, o.byManager) {
					t.Errorf("the plugin names %s, and %s of the manager's becomes %v", what, other, got)
				}
			}
		}
	}
	for f := range reflect.TypeFor[Safe]().Fields() {
		if !covered[f.Name] {
			t.Errorf("the field %s of Safe is in no case of this test", f.Name)
		}
	}
	if mergeSafe(nil, nil) != nil {
		t.Error("there is safe reload although nobody asked for it")
	}
}

// A safeguard that is named and empty is an error, for a manager and for a plugin.
func TestASafeguardThatIsNamedButEmptyIsAnError(t *testing.T) {
	m, err := New(Options{ForcePolling: true})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	file := filepath.Join(t.TempDir(), "plugin.so")
	if err := os.WriteFile(file, []byte("v1"), 0o644); err != nil {
		t.Fatal(err)
	}
	for field, s := range map[string]Safe{
		"allow_list":                            {AllowList: new("")},
		"public_keys is an empty list":          {PublicKeys: []string{}},
		"public_keys contains an empty entry":   {PublicKeys: []string{keyText, ""}},
		"symbols is an empty list":              {Symbols: []string{}},
		"symbols contains an empty entry":       {Symbols: []string{""}},
		"signature":                             {Signature: new(""), PublicKeys: []string{keyText}},
		"files contains an empty entry (number": {Files: []string{"a", ""}},
		"manifest":                              {Manifest: new(""), PublicKeys: []string{keyText}},
		"version_dir":                           {VersionDir: new(""), RisingVersion: new(true), PublicKeys: []string{keyText}},
		"plugin_name is \"\"":                   {PluginName: new(""), PublicKeys: []string{keyText}},
		"plugin_name is \"a b\"":                {PluginName: new("a b"), PublicKeys: []string{keyText}},
		"plugin_name is \"a\\n\"":               {PluginName: new("a\n"), PublicKeys: []string{keyText}},
		"min_version: \"\" is no version":       {MinVersion: new(""), PublicKeys: []string{keyText}},
		"min_version: \"1.x\" is no version":    {MinVersion: new("1.x"), PublicKeys: []string{keyText}},
	} {
		err := m.Enable("p", file, EnableOptions{Safe: &s})
		if !errors.Is(err, ErrInvalidArgument) || !strings.Contains(err.Error(), field) {
			t.Errorf("%s, of a plugin: %v", field, err)
		}
		if s.Files != nil || s.Signature != nil || s.Manifest != nil || s.PluginName != nil {
			continue
		}
		all, err := New(Options{ForcePolling: true, Safe: &s})
		if err == nil {
			all.Close()
		}
		if !errors.Is(err, ErrInvalidArgument) || !strings.Contains(err.Error(), field) {
			t.Errorf("%s, of a manager: %v", field, err)
		}
	}
	if _, err := New(Options{SnapshotDir: new("")}); !errors.Is(err, ErrInvalidArgument) || !strings.Contains(err.Error(), "snapshot_dir") {
		t.Errorf("snapshot_dir: %v", err)
	}
	none := Safe{Files: []string{}}
	if err := none.check(); err != nil {
		t.Errorf("no further files are no missing safeguard: %v", err)
	}
}

// A safeguard without what it needs is an error, not a pass.
func TestASafeguardWithoutWhatItNeedsIsAnError(t *testing.T) {
	m, err := New(Options{ForcePolling: true, SnapshotDir: new(filepath.Join(t.TempDir(), "snapshots"))})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	file := filepath.Join(t.TempDir(), "plugin.so")
	if err := os.WriteFile(file, []byte("v1"), 0o644); err != nil {
		t.Fatal(err)
	}
	keys := []string{keyText}
	for want, s := range map[string]Safe{
		"signature is \"s\", but":                         {Signature: new("s")},
		"manifest is \"m\", but":                          {Manifest: new("m")},
		"plugin_name is compared":                         {PluginName: new("p")},
		"min_version is compared":                         {MinVersion: new("1")},
		"rising_version is compared":                      {RisingVersion: new(true)},
		"plugin_name with companion files needs":          {PluginName: new("p"), PublicKeys: keys, Files: []string{"a"}},
		"min_version with companion files needs":          {MinVersion: new("1"), PublicKeys: keys, Files: []string{"a"}},
		"rising_version with companion files needs":       {RisingVersion: new(true), PublicKeys: keys, Files: []string{"a"}},
		"list_names is asked for, but":                    {ListNames: new(true)},
		"version_dir is \"v\", but nothing is remembered": {VersionDir: new("v"), PublicKeys: keys},
	} {
		err := m.Enable("p", file, EnableOptions{Safe: &s})
		if !errors.Is(err, ErrInvalidArgument) || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
	if _, err := New(Options{Safe: &Safe{PluginName: new("p")}}); !errors.Is(err, ErrInvalidArgument) || !strings.Contains(err.Error(), "plugin_name belong") {
		t.Errorf("a name for every plugin: %v", err)
	}
	exempt := &Safe{VersionDir: new("v"), RisingVersion: new(false)}
	if err := m.Enable("p", file, EnableOptions{Safe: exempt}); err != nil {
		t.Errorf("a plugin that is exempt: %v", err)
	}
}
