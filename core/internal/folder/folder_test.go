// SPDX-License-Identifier: MIT

package folder

import (
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestEachKindOfTemporaryFileIsIgnored(t *testing.T) {
	for _, i := range Ignores {
		if why := Ignored(i.Example); why == nil {
			t.Errorf("%s is a plugin", i.Example)
		} else if why.Pattern != i.Pattern {
			t.Errorf("%s is ignored as %s, not as %s", i.Example, why.Pattern, i.Pattern)
		}
	}
}

func TestNamesThatOnlyLookLikeTemporaryFilesMayBePlugins(t *testing.T) {
	for _, name := range []string{
		"echo.so", "libecho.so.1.2.3", "echo", "4914", "49130", "tmp", "temp.so", "page.tmpl", "status", "stations", "sedation", "strip.so",
		"echo.config", "echo.CONFIG", "echo.plugin", "part", "part.so", "lock", "bak", "echo.tmp1.so", "echo#", "#echo", "#", "##",
		"echo;v2", "README.md", "echo.pyc", "unlock", "orig.so", "echo.dpkg", "dpkg-new", "caf\u00e9.so", "\xff.so", "a\nb.so",
	} {
		if why := Ignored(name); why != nil {
			t.Errorf("%q is ignored as %s", name, why.Pattern)
		}
	}
}

func TestTemporaryNamesOfToolsInEveryForm(t *testing.T) {
	for _, name := range []string{
		".", "..data", ".#echo.so", ".echo.so.AbCdEf", ".goutputstream-A1B2C3", ".nfs000000000001", "~WRL0001.tmp", "echo.so.TMP", "echo.so.BAK",
		"5036", "5159", "5282", "echo.so.tmp-1234", "echo.so.tmp.AbCd12", "echo.tmp_1", "echo.so.tmpdeadbee", "echo.so.dpkg-tmp", "echo.so.ucf-old",
		"echo.so.lck", "stAbCdEf", "sedXXXXXX", "echo.so.aBcDeF", "echo.pyc.12345", "echo.so.~1~",
	} {
		if Ignored(name) == nil {
			t.Errorf("%q may be a plugin", name)
		}
	}
}

func TestPatternsNameFilesByTheirWholePath(t *testing.T) {
	for _, c := range []struct {
		include, exclude string // separated by spaces
		plugins, others  string
	}{
		{"", "", "a.so README", "fx/a.so .hidden a.so~"},
		{"*.so", "", "a.so", "fx/a.so a.sox a.txt"},
		{"*.so", "test_*", "a.so", "test_a.so"},
		{"fx/*.so", "", "fx/a.so", "a.so fx/b/a.so fxx/a.so"},
		{"**/*.so", "", "a.so fx/a.so fx/b/c/a.so", "a.txt fx/.a.so"},
		{"**/*.so", "fx", "fx/a.so", ""}, // the directory is not entered: see below
		{"**/*.so", "fx/**", "a.so", "fx/a.so fx/b/a.so"},
		{"**", "**/*.md", "a.so x/a", "a.md x/a.md"},
		{"{a,b}*.so [c-d].so", "", "a1.so b.so c.so d.so", "e.so cc.so"},
		{`\*.so`, "", "*.so", "a.so"},
		{"*", "", "a\nb \xff\xfe.so", ""},
	} {
		r, err := NewRules(strings.Fields(c.include), strings.Fields(c.exclude), false)
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range strings.Split(c.plugins, " ") {
			if !r.IsPlugin(path) {
				t.Errorf("include %q, exclude %q: %q is no plugin", c.include, c.exclude, path)
			}
		}
		for _, path := range strings.Fields(c.others) {
			if r.IsPlugin(path) {
				t.Errorf("include %q, exclude %q: %q is a plugin", c.include, c.exclude, path)
			}
		}
	}
}

func TestADirectoryIsEnteredIfAPatternMayNameSomethingInIt(t *testing.T) {
	for _, c := range []struct {
		include, exclude string
		entered, others  string
	}{
		{"", "", "", "fx"},
		{"*.so", "", "", "fx"},
		{"fx/*.so", "", "fx", "fy fx/a"},
		{"fx*/b/*.so", "", "fx fx1/b", "fy fx/c fx/b/d"},
		{"**/*.so", "", "fx fx/a/b/c", ".git fx/.git"},
		{"fx/**", "", "fx fx/a fx/a/b", "fy"},
		{"**", "fx", "fy", "fx"},
		{"**", "fx/**", "fy", "fx fx/a"},
		{"**", "**/test", "a", "test a/test"},
		{"{a/b,c}/*.so", "", "a a/b c", ""},
	} {
		r, err := NewRules(strings.Fields(c.include), strings.Fields(c.exclude), false)
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range strings.Fields(c.entered) {
			if !r.MayHold(path) {
				t.Errorf("include %q, exclude %q: %q is not entered", c.include, c.exclude, path)
			}
		}
		for _, path := range strings.Fields(c.others) {
			if r.MayHold(path) {
				t.Errorf("include %q, exclude %q: %q is entered", c.include, c.exclude, path)
			}
		}
	}
}

// Whatever a pattern names, the directories on the way to it are entered.
func FuzzTheWayToAPluginIsEntered(f *testing.F) {
	for _, seed := range [][2]string{{"**/*.so", "a/b/c.so"}, {"a*/{b,c/d}/*", "ab/c/d/e"}, {"[^x]/**/y", "a/y"}, {"**", "a/b"}, {"a/**/**/b", "a/b"}, {`a\/b/*`, "a/b/c"}} {
		f.Add(seed[0], seed[1])
	}
	f.Fuzz(func(t *testing.T, pattern, path string) {
		r, err := NewRules([]string{pattern}, nil, true)
		if err != nil || strings.HasPrefix(path, "/") || strings.HasSuffix(path, "/") || strings.Contains(path, "//") || !r.IsPlugin(path) {
			return
		}
		for i := range path {
			if path[i] == '/' && !r.MayHold(path[:i]) {
				t.Errorf("%q names %q, but %q is not entered", pattern, path, path[:i])
			}
		}
	})
}

func TestPatternsThatMakeNoSenseAreErrorsThatNameThem(t *testing.T) {
	for pattern, want := range map[string]string{
		"":                          "empty",
		"[":                         "malformed",
		"{a":                        "malformed",
		`a\`:                        "malformed",
		"/a":                        "relative",
		"../a":                      "relative",
		"a/./b":                     "relative",
		"a\x00":                     "NUL",
		strings.Repeat("x", 1001):   "1001 bytes",
		strings.Repeat("{a,b}", 10): "alternatives",
		"{" + strings.Repeat("a,", 450) + "}{a,b,c}":              "alternatives",
		strings.Repeat("{"+strings.Repeat("*,", 80)+"}", 6) + "z": "alternatives",
	} {
		if _, err := NewRules([]string{"*", pattern}, nil, false); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "include") {
			t.Errorf("include %.20q: %v", pattern, err)
		}
		if _, err := NewRules(nil, []string{pattern}, false); err == nil || !strings.Contains(err.Error(), "exclude") {
			t.Errorf("exclude %.20q: %v", pattern, err)
		}
	}
	if _, err := NewRules(make([]string, 1001), nil, false); err == nil {
		t.Error("1001 patterns are accepted")
	}
}

func TestTheExpansionOfAPatternIsHowManyItStandsFor(t *testing.T) {
	for pattern, want := range map[string]int{
		"a": 1, "a,b": 1, "{a}": 1, "{a,b}": 2, "{,}": 2, "{a,b,c}{d,e}": 6, "{a,{b,c}}": 3, "{a,{b,c}{d,e}}f{g,h}": 10,
		`\{a,b}`: 1, `{a\,b,c}`: 2, "[{,]{a,b}": 2, `{[},\]},],a}`: 2, strings.Repeat("{a,b}", 9): 512, strings.Repeat("{a,b}", 100): maxExpansion + 1,
		strings.Repeat("{", 100) + "a,b" + strings.Repeat("}", 100): 2,
	} {
		if got := expansion(pattern); got != want {
			t.Errorf("%.40q stands for %d, not for %d", pattern, got, want)
		}
	}
}

func TestIDs(t *testing.T) {
	for _, c := range []struct{ path, long, short string }{
		{"echo.so", "f/echo.so", "echo"},
		{"fx/echo.so", "f/fx/echo.so", "fx/echo"},
		{"fx.d/echo", "f/fx.d/echo", "fx.d/echo"},
		{"libecho.so.1", "f/libecho.so.1", "libecho.so"},
		{".so", "f/.so", ".so"},
		{"a\nb.so", "f/a%0Ab.so", "a%0Ab"},
		{"\xff.so", "f/%FF.so", "%FF"},
		{"100%.so", "f/100%25.so", "100%25"},
		{"caf\u00e9.so", "f/caf\u00e9.so", "caf\u00e9"},
	} {
		if long, short := ID("f", c.path, false), ID("f", c.path, true); long != c.long || short != c.short {
			t.Errorf("%q has the ids %q and %q", c.path, long, short)
		}
	}
}

func TestIDsOfLongPathsAreShortAndDiffer(t *testing.T) {
	seen := map[string]bool{}
	for _, path := range []string{strings.Repeat("x/", 200) + "a", strings.Repeat("x/", 200) + "b", strings.Repeat("\u00e9", 300), strings.Repeat("\xff", 300)} {
		id := ID("f", path, false)
		if len(id) > MaxID || len(id) < MaxID-4 || !utf8.ValidString(id) || seen[id] {
			t.Errorf("a path of %d bytes has the id %q, of %d bytes", len(path), id, len(id))
		}
		seen[id] = true
	}
	if exact := strings.Repeat("x", MaxID-2); ID("f", exact, false) != "f/"+exact {
		t.Error("an id that fits is shortened")
	}
}

func FuzzIDsAreValidAndOneForEachPath(f *testing.F) {
	f.Add("a\nb", "a%0Ab")
	f.Add("\xff", "%FF")
	f.Fuzz(func(t *testing.T, a, b string) {
		x, y := ID("f", a, false), ID("f", b, false)
		if (x == y) != (a == b) {
			t.Errorf("%q and %q have the ids %q and %q", a, b, x, y)
		}
		if !utf8.ValidString(x) || len(x) > MaxID || strings.ContainsFunc(x, func(r rune) bool { return r < ' ' || r == 0x7f }) {
			t.Errorf("%q has the id %q", a, x)
		}
	})
}

func TestCompareFindsWhatAppearedAndWhatIsGone(t *testing.T) {
	for _, c := range [][4]string{
		{"", "", "", ""},
		{"", "a b", "a b", ""},
		{"a b", "", "", "a b"},
		{"a b d", "b c d e", "c e", "a"},
		{"a b", "a b", "", ""},
	} {
		appeared, gone := Compare(strings.Fields(c[0]), strings.Fields(c[1]))
		if !slices.Equal(appeared, strings.Fields(c[2])) && len(appeared)+len(c[2]) > 0 || !slices.Equal(gone, strings.Fields(c[3])) && len(gone)+len(c[3]) > 0 {
			t.Errorf("from %q to %q: %q appeared, %q is gone", c[0], c[1], appeared, gone)
		}
	}
}

func TestDepth(t *testing.T) {
	for path, want := range map[string]int{"": 0, "a": 1, "a/b": 2} {
		if got := Depth(path); got != want {
			t.Errorf("%q is %d deep", path, got)
		}
	}
}
