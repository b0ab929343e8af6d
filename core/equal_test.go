// SPDX-License-Identifier: MIT

package core

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/qtforge/hotreload/core/internal/engine"
)

// These tests compare the API with the engine: what is added to one of them only fails.

func TestEveryConstantHasTheEnginesValue(t *testing.T) {
	api, internal := constantsOf(t, "."), constantsOf(t, "internal/engine")
	maps.Copy(internal, constantsOf(t, "internal/deliver"))
	for _, kind := range []string{"Kind", "HealthCode", "Outcome", "DispatchMode", "PluginState", "Watching", "Decision", "LogLevel"} {
		if len(api[kind]) == 0 {
			t.Errorf("found no constant of type %s", kind)
		}
		if !maps.Equal(api[kind], internal[kind]) {
			t.Errorf("%s: core has %v, the engine %v", kind, api[kind], internal[kind])
		}
	}
}

func TestEveryHealthCodeIsCountedInMetrics(t *testing.T) {
	m, err := New(Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	text, err := m.Metrics()
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]bool{}
	for code, name := range healthNames {
		if code != 0 {
			snake := regexp.MustCompile("([a-z])([A-Z])").ReplaceAllString(name, "${1}_$2")
			want[strings.ToLower(snake)] = true
		}
	}
	got := map[string]bool{}
	for _, found := range regexp.MustCompile(`code="(\w+)"`).FindAllStringSubmatch(text, -1) {
		got[found[1]] = true
	}
	if !maps.Equal(got, want) {
		t.Errorf("the codes are %v, want %v", slices.Sorted(maps.Keys(got)), slices.Sorted(maps.Keys(want)))
	}
}

// constantsOf is the exported constants of each named type that have a literal value.
func constantsOf(t *testing.T, dir string) map[string]map[string]string {
	found := map[string]map[string]string{}
	eachValue(t, dir, token.CONST, func(name *ast.Ident, s *ast.ValueSpec, value ast.Expr) {
		kind, ok := s.Type.(*ast.Ident)
		literal, isLiteral := value.(*ast.BasicLit)
		if !ok || !isLiteral || !name.IsExported() {
			return
		}
		if found[kind.Name] == nil {
			found[kind.Name] = map[string]string{}
		}
		found[kind.Name][name.Name] = literal.Value
	})
	return found
}

func TestEveryKindOfErrorIsTheEngines(t *testing.T) {
	api, internal := map[string]bool{}, map[string]bool{}
	eachValue(t, ".", token.VAR, func(name *ast.Ident, _ *ast.ValueSpec, value ast.Expr) {
		if !strings.HasPrefix(name.Name, "Err") {
			return
		}
		of, ok := value.(*ast.SelectorExpr)
		if !ok || of.X.(*ast.Ident).Name != "engine" || of.Sel.Name != name.Name {
			t.Errorf("%s is not engine.%s", name.Name, name.Name)
		}
		api[name.Name] = true
	})
	eachValue(t, "internal/engine", token.VAR, func(name *ast.Ident, _ *ast.ValueSpec, _ ast.Expr) {
		if strings.HasPrefix(name.Name, "Err") {
			internal[name.Name] = true
		}
	})
	if len(api) == 0 || !maps.Equal(api, internal) {
		t.Errorf("core has the kinds %v, the engine %v", slices.Sorted(maps.Keys(api)), slices.Sorted(maps.Keys(internal)))
	}
}

// eachValue visits the package-level constants or variables of a package, without its tests.
func eachValue(t *testing.T, dir string, what token.Token, visit func(*ast.Ident, *ast.ValueSpec, ast.Expr)) {
	_, files := parsed(t, dir, isSource)
	for _, file := range files {
		for _, d := range file.Decls {
			g, ok := d.(*ast.GenDecl)
			if !ok || g.Tok != what {
				continue
			}
			for _, spec := range g.Specs {
				s := spec.(*ast.ValueSpec)
				for i, name := range s.Names {
					var value ast.Expr
					if i < len(s.Values) {
						value = s.Values[i]
					}
					visit(name, s, value)
				}
			}
		}
	}
}

// parsed is the Go files of a directory whose names are accepted.
func parsed(t *testing.T, dir string, accept func(name string) bool) (*token.FileSet, []*ast.File) {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil || len(names) == 0 {
		t.Fatalf("%s: %d Go files, %v", dir, len(names), err)
	}
	set := token.NewFileSet()
	var files []*ast.File
	for _, name := range names {
		if !accept(name) {
			continue
		}
		f, err := parser.ParseFile(set, name, nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, f)
	}
	return set, files
}

func isSource(name string) bool { return !strings.HasSuffix(name, "_test.go") }

func TestEveryNameOfAConstantIsItsString(t *testing.T) {
	for kind, constants := range constantsOf(t, ".") {
		for name, value := range constants {
			var got string
			switch n := atoi(t, value); kind {
			case "Kind":
				got = Kind(n).String()
			case "HealthCode":
				got = "Health" + HealthCode(n).String()
			case "Outcome":
				got = "Reload" + Outcome(n).String()
			case "DispatchMode":
				got = "Dispatch" + DispatchMode(n).String()
			case "PluginState":
				got = "State" + PluginState(n).String()
			case "Watching":
				got = "Watching" + Watching(n).String()
			case "Decision":
				got = "Decision" + Decision(n).String()
			case "LogLevel":
				got = "Log" + LogLevel(n).String()
			}
			if got != name {
				t.Errorf("%s %s is called %q", kind, name, got)
			}
		}
	}
	if got := Kind(99).String(); got != "Kind(99)" {
		t.Errorf("a kind that is not known is called %q", got)
	}
}

func atoi(t *testing.T, literal string) (n int32) {
	t.Helper()
	for _, c := range literal {
		if c < '0' || c > '9' {
			t.Fatalf("%s is no decimal number", literal)
		}
		n = 10*n + c - '0'
	}
	return n
}

func TestEveryFieldIsConverted(t *testing.T) {
	for _, c := range []struct {
		from any
		to   func(from any) any
	}{
		{&Options{}, func(from any) any { return from.(*Options).engine() }},
		{&EnableOptions{}, func(from any) any { return from.(*EnableOptions).engine() }},
		{&engine.Event{}, func(from any) any { return eventOf(from.(*engine.Event)) }},
		{&engine.PluginStatus{}, func(from any) any { return statusOf(from.(*engine.PluginStatus)) }},
		{&engine.Stats{}, func(from any) any { return Stats(*from.(*engine.Stats)) }},
		{&engine.Candidate{}, func(from any) any { return Candidate(*from.(*engine.Candidate)) }},
		{&Safe{}, func(from any) any { return engine.Safe(*from.(*Safe)) }},
		{&Error{}, func(from any) any { return engine.Error(*from.(*Error)) }},
	} {
		from := reflect.ValueOf(c.from).Elem()
		n := 0
		fill(t, from, &n)
		to := reflect.ValueOf(c.to(c.from))
		if a, b := exported(from.Type()), exported(to.Type()); !slices.Equal(a, b) {
			t.Errorf("%v has the fields %v, %v has %v", from.Type(), a, to.Type(), b)
			continue
		}
		for _, name := range exported(from.Type()) {
			if !sameValue(from.FieldByName(name), to.FieldByName(name)) {
				t.Errorf("%v.%s is not converted: %v has become %v", from.Type(), name, from.FieldByName(name), to.FieldByName(name))
			}
		}
	}
}

func exported(s reflect.Type) (names []string) {
	for i := range s.NumField() {
		if s.Field(i).IsExported() {
			names = append(names, s.Field(i).Name)
		}
	}
	return names
}

// fill gives each exported field another value, none of which is zero.
func fill(t *testing.T, v reflect.Value, n *int) {
	t.Helper()
	*n++
	if v.Type() == reflect.TypeFor[time.Time]() {
		v.Set(reflect.ValueOf(time.Unix(int64(*n), 0)))
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				fill(t, v.Field(i), n)
			}
		}
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(t, v.Elem(), n)
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		fill(t, v.Index(0), n)
	case reflect.Func:
		v.Set(reflect.MakeFunc(v.Type(), func([]reflect.Value) []reflect.Value { return nil }))
	case reflect.String:
		v.SetString(strings.Repeat("x", *n))
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int32, reflect.Int64:
		v.SetInt(int64(*n))
	case reflect.Uint64:
		v.SetUint(uint64(*n))
	case reflect.Interface:
		v.Set(reflect.ValueOf(fs.ErrNotExist))
	default:
		t.Fatalf("a field of type %v; fill does not know it", v.Type())
	}
}

func sameValue(a, b reflect.Value) bool {
	if a.Kind() == reflect.Func {
		return !a.IsNil() && a.Pointer() == b.Pointer()
	}
	if a.Kind() == reflect.Slice && a.Type().Elem().Kind() == reflect.Struct {
		same := a.Len() == b.Len()
		for i := 0; same && i < a.Len(); i++ {
			for _, name := range exported(a.Type().Elem()) {
				same = same && sameValue(a.Index(i).FieldByName(name), b.Index(i).FieldByName(name))
			}
		}
		return same
	}
	return b.CanConvert(a.Type()) && reflect.DeepEqual(a.Interface(), b.Convert(a.Type()).Interface())
}
