// SPDX-License-Identifier: MIT

package main

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

var (
	reference = regexp.MustCompile(`#(HRM_\w+)|\b(hrm_\w+)\(\)`)
	seeAlso   = regexp.MustCompile(`^#?(\w+)(?:\(\))?$`)
)

// faultsOf is everything that the headers fail to document, and every reference to what does not exist.
func faultsOf(headers []*header) (faults []error) {
	known := map[string]bool{}
	for _, h := range headers {
		for _, s := range h.symbols {
			known[s.name] = true
		}
	}
	for _, h := range headers {
		fault := func(line int, format string, args ...any) {
			faults = append(faults, fmt.Errorf("%s:%d: %s", h.name, line, fmt.Sprintf(format, args...)))
		}
		if len(h.about.body) == 0 {
			fault(1, `the header has no \file comment that says what it is for`)
		}
		for _, g := range h.groups {
			if g.doc.since == "" {
				fault(1, `group %s has no \since`, g.name)
			}
		}
		for _, s := range h.symbols {
			if s.doc == nil {
				fault(s.line, "%s is not documented", s.name)
				continue
			}
			for _, why := range faultsIn(s, known) {
				fault(s.line, "%s %s", s.name, why)
			}
		}
	}
	return faults
}

// faultsIn are the faults of a documented symbol.
func faultsIn(s *symbol, known map[string]bool) (faults []string) {
	d := s.doc
	bad := func(format string, args ...any) { faults = append(faults, fmt.Sprintf(format, args...)) }
	if brief, _ := d.brief(); brief == "" || !strings.HasSuffix(brief, ".") && s.kind != macro {
		bad("has no first sentence that ends with a full stop")
	}
	if s.kind == function || s.kind == callback {
		var documented []string
		for _, p := range d.params {
			documented = append(documented, p.name)
			if p.text == "" {
				bad(`says nothing behind \param %s`, p.name)
			}
		}
		if !slices.Equal(documented, s.params) {
			bad(`has the parameters %v, and documents %v by \param`, s.params, documented)
		}
		if (d.returns == "") != s.void {
			bad(`needs \returns exactly if it returns a value`)
		}
		if d.threads == "" {
			bad(`has no \threadsafety`)
		}
	}
	for _, f := range s.fields {
		if f.doc == nil {
			bad("has the field %s without documentation", f.names)
		} else {
			faults = append(faults, brokenReferences(strings.Join(f.doc.body, " "), known)...)
		}
	}
	// Constants share what their group says.
	inherits := s.kind == macro && s.group != nil
	if d.since == "" && !(inherits && s.group.doc.since != "") {
		bad(`has no \since`)
	}
	if d.sa == "" && !inherits {
		bad(`has no \sa`)
	}
	for _, name := range strings.Split(d.sa, ",") {
		if m := seeAlso.FindStringSubmatch(strings.TrimSpace(name)); d.sa != "" && (m == nil || !known[m[1]]) {
			bad(`names %s in \sa, which does not exist`, strings.TrimSpace(name))
		}
	}
	for _, r := range d.retvals {
		if !known[r.name] {
			bad(`names %s in \retval, which does not exist`, r.name)
		}
	}
	texts := append([]string{d.returns, d.threads}, d.body...)
	for _, e := range append(slices.Clone(d.params), d.retvals...) {
		texts = append(texts, e.text)
	}
	return append(faults, brokenReferences(strings.Join(texts, " "), known)...)
}

func brokenReferences(text string, known map[string]bool) (faults []string) {
	for _, m := range reference.FindAllStringSubmatch(text, -1) {
		if name := m[1] + m[2]; !known[name] {
			faults = append(faults, "refers to "+name+", which does not exist")
		}
	}
	return faults
}
