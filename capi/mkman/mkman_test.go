// SPDX-License-Identifier: MIT

package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const complete = `/**
 * \file some.h
 * \brief A header.
 *
 * What it is for.
 *
 * \section more More
 * - one: hrm_do();
 *   and its end
 * - two
 *
 *   \code
 *   hrm_do(m, 'x'); // \n
 *   \endcode
 */
/**
 * \defgroup hrm_kinds Kinds
 * \since 1.0.0
 * \{
 */
/** The first kind. */
#define HRM_KIND 1
/** \} */
/**
 * A thing.
 * \since 1.0.0
 * \sa hrm_do()
 */
typedef struct hrm_thing {
    uint32_t struct_size; /**< sizeof(hrm_thing). */
    /** Its name. */
    const char *name;
} hrm_thing;
/**
 * Does something. It takes
 * its time.
 * \param thing     what to do it to
 * \param[out] out  receives the result;
 *                  may be NULL
 * \returns 0, or
 * \retval HRM_KIND  it is of this kind
 * \threadsafety Any thread.
 * \since 1.0.0
 * \sa hrm_thing
 */
HRM_API int32_t HRM_CALL hrm_do(const hrm_thing *thing,
                                char out[32]);
`

func faultsOfText(t *testing.T, text string) string {
	t.Helper()
	h, err := parse("some.h", text)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, f := range faultsOf([]*header{h}) {
		all = append(all, f.Error())
	}
	return strings.Join(all, "\n")
}

func TestADocumentedHeaderHasNoFaults(t *testing.T) {
	if got := faultsOfText(t, complete); got != "" {
		t.Error(got)
	}
}

func TestASymbolThatLacksAPartOfItsDocumentationIsReportedByName(t *testing.T) {
	for _, tc := range []struct{ old, new, want string }{
		{" * \\threadsafety Any thread.\n", "", `hrm_do has no \threadsafety`},
		{" * \\param thing     what to do it to\n", "", `hrm_do has the parameters [thing out], and documents [out]`},
		{"what to do it to", "", `says nothing behind \param thing`},
		{" * \\returns 0, or\n", "", `hrm_do needs \returns`},
		{" * \\since 1.0.0\n * \\sa hrm_thing\n", " * \\sa hrm_thing\n", `hrm_do has no \since`},
		{" * \\sa hrm_thing\n", "", `hrm_do has no \sa`},
		{" * \\sa hrm_thing\n", " * \\sa hrm_nothing\n", `names hrm_nothing in \sa, which does not exist`},
		{"\\retval HRM_KIND", "\\retval HRM_OTHER", `names HRM_OTHER in \retval, which does not exist`},
		{"it is of this kind", "as hrm_other() says", `refers to hrm_other, which does not exist`},
		{"/** The first kind. */\n", "", "HRM_KIND is not documented"},
		{"/** The first kind. */\n", "/* The first kind. */\n", "HRM_KIND is not documented"},
		{"    /** Its name. */\n", "", "hrm_thing has the field name without documentation"},
		{"Does something. It takes", "does something", "hrm_do has no first sentence"},
		{" * \\since 1.0.0\n * \\{", " * \\{", `group hrm_kinds has no \since`},
	} {
		text := strings.Replace(complete, tc.old, tc.new, 1)
		if tc.want == "hrm_do has no first sentence" {
			text = strings.Replace(text, " * does something\n * its time.\n", " *\n", 1)
		}
		if text == complete {
			t.Errorf("%q is not in the header", tc.old)
		}
		if got := faultsOfText(t, text); !strings.Contains(got, tc.want) {
			t.Errorf("without %q: faults %q, want %q", tc.old, got, tc.want)
		}
	}
}

func TestWhatIsNotUnderstoodIsAnErrorAndNotLeftOut(t *testing.T) {
	for text, want := range map[string]string{
		"/** \\unheard of */\nint hrm_x(void);": `unknown command \unheard`,
		"int hrm_x(void)":                       "a declaration has no end",
		"/* for ever":                           "a comment has no end",
		"union { int a; };":                     "not understood",
	} {
		if _, err := parse("some.h", text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
}

func TestAPageSaysWhatTheCommentSays(t *testing.T) {
	h, err := parse("some.h", complete)
	if err != nil {
		t.Fatal(err)
	}
	got := pages([]*header{h}, "1.2.3")
	for page, lines := range map[string][]string{
		"man3/hrm_do.3": {
			`.TH HRM_DO 3 "" "libhotreload 1.2.3" "libhotreload"`,
			`hrm_do \- Does something`,
			".B #include <some.h>",
			"int32_t hrm_do(const hrm_thing *thing,\n    char out[32]);",
			"It takes its time.",
			".I out\nReceives the result; may be NULL.",
			"0, or one of the codes below.",
			".B HRM_KIND\nIt is of this kind.",
			".SH THREAD SAFETY\nAny thread.",
			".BR hrm_thing (3),\n.BR some (7)",
		},
		"man3/hrm_thing.3": {".I name\nIts name.", "    const char *name;"},
		"man3/hrm_kinds.3": {"#define HRM_KIND 1", ".B HRM_KIND\nThe first kind."},
		"man7/some.7": {
			".SH MORE",
			".IP \\(bu 3\none: \\fBhrm_do\\fP(3); and its end",
			`hrm_do(m, \(aqx\(aq); // \en`,
		},
	} {
		for _, want := range lines {
			if !strings.Contains(got[page], want) {
				t.Errorf("%s lacks %q:\n%s", page, want, got[page])
			}
		}
	}
	if len(got) != 4 {
		t.Errorf("%d pages, want 4", len(got))
	}
}

func TestEverySymbolOfTheHeadersIsDocumented(t *testing.T) {
	paths, err := filepath.Glob(filepath.Join("..", "..", "include", "*.h"))
	if err != nil || len(paths) < 3 {
		t.Fatal(paths, err)
	}
	out := t.TempDir()
	if err := run(out, paths); err != nil {
		t.Fatal(err)
	}
	for _, page := range []string{"man3/hrm_enable_hot_reload.3", "man3/hrm_host_open.3", "man7/hot_reload_manager.7"} {
		if _, err := os.Stat(filepath.Join(out, page)); err != nil {
			t.Error(err)
		}
	}
}
