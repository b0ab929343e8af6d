// SPDX-License-Identifier: MIT

package core

import (
	"go/ast"
	"go/doc"
	"go/token"
	"regexp"
	"strings"
	"testing"
)

// The documentation of the API is complete: a Go program lives by "go doc" alone. What
// the comment of a type says (since when, on which goroutine) holds for its fields and
// methods, too.

func documentation(t *testing.T) *doc.Package {
	t.Helper()
	set, files := parsed(t, ".", func(name string) bool { return name != "inject.go" }) // of a build for tests
	p, err := doc.NewFromFiles(set, files, "github.com/qtforge/hotreload/core")
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestEveryExportedSymbolIsDocumented(t *testing.T) {
	p := documentation(t)
	symbols := 0
	documented := func(symbol, text string, parts ...string) {
		t.Helper()
		symbols++
		if strings.TrimSpace(text) == "" {
			t.Errorf("%s has no comment", symbol)
		}
		for _, part := range parts {
			if !strings.Contains(text, part) {
				t.Errorf("the comment of %s does not have %q", symbol, part)
			}
		}
	}
	values := func(all []*doc.Value) {
		for _, v := range all {
			documented(strings.Join(v.Names, ", "), v.Doc, "Since ")
			for _, spec := range v.Decl.Specs {
				s := spec.(*ast.ValueSpec)
				documented(s.Names[0].Name, s.Doc.Text()+s.Comment.Text())
			}
		}
	}
	funcs := func(of string, all []*doc.Func, parts ...string) {
		for _, f := range all {
			parts := parts
			if returnsError(f.Decl.Type) && f.Name != "Unwrap" {
				parts = append(parts[:len(parts):len(parts)], "Errors: ")
			}
			documented(of+f.Name, f.Doc, parts...)
			for _, field := range f.Decl.Type.Params.List {
				for _, name := range field.Names {
					if len(name.Name) > 1 && !regexp.MustCompile(`\b`+name.Name+`\b`).MatchString(f.Doc) {
						t.Errorf("the comment of %s%s does not mention its parameter %s", of, f.Name, name.Name)
					}
				}
			}
		}
	}
	documented("package core", p.Doc, "# Threads")
	values(p.Consts)
	values(p.Vars)
	funcs("", p.Funcs, "Since ", "See also ")
	for _, typ := range p.Types {
		documented(typ.Name, typ.Doc, "Since ")
		values(typ.Consts)
		values(typ.Vars)
		funcs("", typ.Funcs, "Since ", "See also ")
		if typ.Name == "Manager" {
			funcs(typ.Name+".", typ.Methods, "See also ")
		} else {
			funcs(typ.Name+".", typ.Methods)
		}
		fieldsAreDocumented(t, typ)
	}
	if symbols < 60 {
		t.Errorf("only %d symbols were found", symbols)
	}
}

func returnsError(f *ast.FuncType) bool {
	if f.Results == nil {
		return false
	}
	for _, r := range f.Results.List {
		if id, ok := r.Type.(*ast.Ident); ok && id.Name == "error" {
			return true
		}
	}
	return false
}

// explained are fields whose comment is that of the field in front, or whose type and
// name say everything.
var explained = map[string]bool{"Event.Kind": true, "Candidate.ID": true, "Safe.AcceptOnTimeout": true}

func fieldsAreDocumented(t *testing.T, typ *doc.Type) {
	for _, spec := range typ.Decl.Specs {
		s, ok := spec.(*ast.TypeSpec).Type.(*ast.StructType)
		if !ok {
			continue
		}
		for _, f := range s.Fields.List {
			for _, name := range f.Names {
				symbol := typ.Name + "." + name.Name
				if token.IsExported(name.Name) && f.Doc.Text()+f.Comment.Text() == "" && !explained[symbol] {
					t.Errorf("%s has no comment", symbol)
				}
			}
		}
	}
}

func TestEveryExportedTypeHasAnExampleThatRuns(t *testing.T) {
	for _, typ := range documentation(t).Types {
		if len(typ.Examples) == 0 {
			t.Errorf("%s has no example", typ.Name)
		}
		for _, e := range typ.Examples {
			if e.Output == "" {
				t.Errorf("the example %s%s has no output, so that it is never run", typ.Name, e.Suffix)
			}
		}
	}
}
