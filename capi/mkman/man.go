// SPDX-License-Identifier: MIT

package main

import (
	"fmt"
	"regexp"
	"strings"
)

// pages are the manual pages by their path below the directory of manuals.
func pages(headers []*header, version string) map[string]string {
	out := map[string]string{}
	sections := map[string]bool{} // symbols with a page of their own
	for _, h := range headers {
		for _, s := range h.symbols {
			sections[s.name] = s.kind != macro
		}
	}
	for _, h := range headers {
		m := &man{version: version, pages: sections}
		overview := strings.TrimSuffix(h.name, ".h")
		m.title(overview, 7)
		brief, _ := h.about.command("brief")
		m.section("NAME", overview+` \- `+escape(sentence(brief)))
		m.section("SYNOPSIS", ".nf\n.B #include <"+h.name+">\n.fi")
		m.section("DESCRIPTION", "")
		m.body(h.about.body)
		m.seeAlso(overviewLinks(h))
		out["man7/"+overview+".7"] = m.text.String()
		for _, g := range h.groups {
			if text, ok := constants(h, g, version, sections); ok {
				out["man3/"+g.name+".3"] = text
			}
		}
		for _, s := range h.symbols {
			if s.kind != macro {
				out["man3/"+s.name+".3"] = page(h, s, version, sections)
			}
		}
	}
	return out
}

func overviewLinks(h *header) (names []string) {
	for _, s := range h.symbols {
		if s.kind == function {
			names = append(names, s.name)
		}
	}
	return names
}

type man struct {
	text    strings.Builder
	version string
	pages   map[string]bool
}

func (m *man) title(name string, section int) {
	fmt.Fprintf(&m.text, ".\\\" Made by capi/mkman from the header; do not edit.\n.TH %s %d \"\" \"libhotreload %s\" \"libhotreload\"\n",
		strings.ToUpper(escape(name)), section, m.version)
}

func (m *man) section(name, text string) {
	fmt.Fprintf(&m.text, ".SH %s\n", name)
	if text != "" {
		m.text.WriteString(text + "\n")
	}
}

func (m *man) paragraph(text string) { m.text.WriteString(line(m.inline(text))) }

// list is a list of names and what is said of each.
func (m *man) list(name string, entries []entry, font string) {
	if len(entries) == 0 {
		return
	}
	m.section(name, "")
	for _, e := range entries {
		fmt.Fprintf(&m.text, ".TP\n.%s %s\n%s", font, escape(e.name), line(m.inline(sentence(e.text))))
	}
}

// body is the text of a comment: paragraphs, lists, sections and code.
func (m *man) body(lines []string) {
	var text []string
	code, fresh := false, true
	flush := func() {
		if len(text) > 0 {
			if !fresh {
				m.text.WriteString(".PP\n")
			}
			m.paragraph(strings.Join(text, " "))
			text, fresh = nil, false
		}
	}
	for _, l := range lines {
		numbered := item.FindStringSubmatch(l)
		switch {
		case l == `\code`:
			flush()
			m.text.WriteString(".PP\n.nf\n.RS 4\n")
			code = true
		case l == `\endcode`:
			m.text.WriteString(".RE\n.fi\n")
			code, fresh = false, false
		case code:
			m.text.WriteString(line(escape(strings.TrimPrefix(l, "  "))))
		case strings.HasPrefix(l, `\section `):
			flush()
			_, title, _ := strings.Cut(strings.TrimPrefix(l, `\section `), " ")
			m.section(strings.ToUpper(title), "")
			fresh = true
		case l == "":
			flush()
		case numbered != nil:
			flush()
			fmt.Fprintf(&m.text, ".IP %s 3\n", strings.ReplaceAll(numbered[1], "-", `\(bu`))
			text, fresh = []string{numbered[2]}, true
		default:
			text = append(text, l)
		}
	}
	flush()
}

var item = regexp.MustCompile(`^(-|\d+\.) (.*)$`)

func (m *man) common(d *doc, group *group) {
	if d.threads != "" {
		m.section("THREAD SAFETY", "")
		m.paragraph(d.threads)
	}
	since := d.since
	if since == "" && group != nil {
		since = group.doc.since
	}
	m.section("HISTORY", "Since libhotreload "+escape(since)+".")
}

func (m *man) seeAlso(names []string) {
	m.section("SEE ALSO", "")
	for i, name := range names {
		end := ","
		if i == len(names)-1 {
			end = ""
		}
		section := 3
		if !m.pages[name] {
			section = 7
		}
		fmt.Fprintf(&m.text, ".BR %s (%d)%s\n", escape(name), section, end)
	}
}

// links are the names of \sa that have a page, and the header's own page.
func (m *man) links(h *header, sa string) (names []string) {
	for _, name := range strings.Split(sa, ",") {
		if found := seeAlso.FindStringSubmatch(strings.TrimSpace(name)); found != nil && m.pages[found[1]] {
			names = append(names, found[1])
		}
	}
	return append(names, strings.TrimSuffix(h.name, ".h"))
}

func page(h *header, s *symbol, version string, sections map[string]bool) string {
	m := &man{version: version, pages: sections}
	m.title(s.name, 3)
	brief, rest := s.doc.brief()
	m.section("NAME", escape(s.name)+` \- `+escape(plain(strings.TrimSuffix(brief, "."))))
	m.section("SYNOPSIS", ".nf\n.B #include <"+h.name+">\n.PP\n"+synopsis(s)+".fi\n.PP\nLink with \\fI\\-lhotreload\\fP.")
	m.section("DESCRIPTION", "")
	m.paragraph(brief)
	if body := trimmed(rest); len(body) > 0 {
		m.text.WriteString(".PP\n")
		m.body(body)
	}
	m.list("PARAMETERS", s.doc.params, "I")
	var fields []entry
	for _, f := range s.fields {
		fields = append(fields, entry{f.names, strings.Join(trimmed(f.doc.body), " ")})
	}
	m.list("FIELDS", fields, "I")
	if s.doc.returns != "" {
		m.section("RETURN VALUE", "")
		text := s.doc.returns
		if cut := strings.TrimSuffix(strings.TrimSuffix(text, ","), ", or"); cut != text {
			text = cut + ", or one of the codes below"
		}
		m.paragraph(sentence(text))
	}
	m.list("ERRORS", s.doc.retvals, "B")
	m.common(s.doc, s.group)
	m.seeAlso(m.links(h, s.doc.sa))
	return m.text.String()
}

// constants is the page of a group's constants, if it has some.
func constants(h *header, g *group, version string, sections map[string]bool) (string, bool) {
	var entries []entry
	var lines strings.Builder
	for _, s := range h.symbols {
		if s.kind == macro && s.group == g {
			brief, rest := s.doc.brief()
			entries = append(entries, entry{s.name, strings.TrimSpace(brief + " " + strings.Join(trimmed(rest), " "))})
			lines.WriteString(line(escape(spaces.ReplaceAllString(strings.ReplaceAll(s.text, "\\\n", " "), " "))))
		}
	}
	if len(entries) == 0 || sections[g.name] {
		return "", false
	}
	m := &man{version: version, pages: sections}
	m.title(g.name, 3)
	m.section("NAME", escape(g.name)+` \- constants of libhotreload: `+escape(g.title))
	m.section("SYNOPSIS", ".nf\n.B #include <"+h.name+">\n.PP\n"+lines.String()+".fi")
	if body := trimmed(g.doc.body); len(body) > 0 {
		m.section("DESCRIPTION", "")
		m.body(body)
	}
	m.list("CONSTANTS", entries, "B")
	m.common(&g.doc, g)
	m.seeAlso(m.links(h, g.doc.sa))
	return m.text.String(), true
}

var attributes = regexp.MustCompile(`HRM_API |HRM_CALL\s?`)

// synopsis is a declaration as it is written in C.
func synopsis(s *symbol) string {
	if s.kind != structure {
		text := attributes.ReplaceAllString(s.text, "") + ";"
		return line(escape(strings.ReplaceAll(text, ", ", ",\n    ")))
	}
	var b strings.Builder
	b.WriteString("typedef struct " + escape(s.name) + " {\n")
	for _, f := range s.fields {
		b.WriteString(line(escape("    " + f.text)))
	}
	b.WriteString("} " + escape(s.name) + ";\n")
	return b.String()
}

func trimmed(lines []string) []string {
	for len(lines) > 0 && lines[0] == "" {
		lines = lines[1:]
	}
	for len(lines) > 0 && lines[len(lines)-1] == "" {
		lines = lines[:len(lines)-1]
	}
	return lines
}

// sentence begins with a capital letter and ends with a full stop, unless it begins with a name.
func sentence(s string) string {
	if s == "" {
		return s
	}
	first, _, _ := strings.Cut(s, " ")
	if !strings.ContainsAny(first, "_().#") && first != "out" && first != "buf" && first != "size" && first != "max" && first != "text" && first != "m" {
		s = strings.ToUpper(s[:1]) + s[1:]
	}
	if !strings.HasSuffix(s, ".") {
		s += "."
	}
	return s
}

var (
	ref      = regexp.MustCompile(`\\ref \w+`)
	constant = regexp.MustCompile(`#(\w+)`)
	call     = regexp.MustCompile(`\b(\w+)\(\)`)
	quoted   = regexp.MustCompile("`([^`]*)`")
)

// plain is text without the marks of Doxygen.
func plain(text string) string {
	text = ref.ReplaceAllString(text, "hot_reload_manager(7)")
	text = constant.ReplaceAllString(text, "$1")
	text = quoted.ReplaceAllString(text, "$1")
	return strings.ReplaceAll(text, `\\`, `\`)
}

// inline is text with the names of the interface in their fonts.
func (m *man) inline(text string) string {
	text = escape(plain(text))
	return call.ReplaceAllStringFunc(text, func(found string) string {
		name := strings.TrimSuffix(found, "()")
		if m.pages[name] {
			return `\fB` + name + `\fP(3)`
		}
		return found
	})
}

// escape makes text that groff shows as it is.
func escape(text string) string {
	return strings.NewReplacer(`\`, `\e`, "-", `\-`, "'", `\(aq`, "`", `\(ga`, "…", `\[u2026]`, "^", `\(ha`, "~", `\(ti`).Replace(text)
}

// line is text as one line that groff does not take for a request.
func line(text string) string {
	if strings.HasPrefix(text, ".") || strings.HasPrefix(text, `\(aq`) {
		text = `\&` + text
	}
	return text + "\n"
}
