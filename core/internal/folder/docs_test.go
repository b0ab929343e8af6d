// SPDX-License-Identifier: MIT

package folder

import (
	"os"
	"strings"
	"testing"
)

// row is an Ignore as docs/folders.md has it.
func (i *Ignore) row() string {
	var names []string
	for _, n := range strings.Split(i.Pattern, ", ") {
		names = append(names, "`"+n+"`")
	}
	return "| " + strings.Join(names, ", ") + " | " + i.Origin + " |\n"
}

func TestTheDocumentationListsEveryNameThatIsNeverAPlugin(t *testing.T) {
	text, err := os.ReadFile("../../../docs/folders.md")
	if err != nil {
		t.Fatal(err)
	}
	_, list, found := strings.Cut(string(text), "| names | made by |\n|---|---|\n")
	if !found {
		t.Fatal("docs/folders.md has no such table")
	}
	var want strings.Builder
	for i := range Ignores {
		want.WriteString(Ignores[i].row())
	}
	if !strings.HasPrefix(list, want.String()+"\n") {
		t.Errorf("the table should be:\n%s", want.String())
	}
}
