// SPDX-License-Identifier: MIT

package main

import (
	"fmt"
	"regexp"
	"strings"
)

// A header is what one file declares, in its order.
type header struct {
	name    string
	about   doc // of \file
	groups  []*group
	symbols []*symbol
}

type group struct {
	name, title string
	doc         doc
}

type kind int

const (
	function kind = iota
	callback      // a typedef of a function's type
	structure
	alias // another typedef
	macro
)

type symbol struct {
	kind   kind
	name   string
	line   int
	text   string   // the declaration, without comments
	params []string // of a function or callback
	void   bool     // it returns nothing
	fields []field
	group  *group
	doc    *doc // nil if there is none
}

type field struct {
	names string
	text  string
	doc   *doc
}

// A doc is one comment, taken apart at its commands.
type doc struct {
	body    []string // the lines that belong to no command
	params  []entry
	returns string
	retvals []entry
	threads string
	since   string
	sa      string
	other   []entry // \file, \brief, \defgroup and the like
}

type entry struct{ name, text string }

var command = regexp.MustCompile(`^\\([a-z]+)(\[[a-z,]+\])?(?:\s+(.*))?$`)

// parseDoc reads the text between /** and */.
func parseDoc(comment string) (doc, error) {
	var d doc
	var to *string // where the next line goes on
	code := false
	for _, line := range strings.Split(comment, "\n") {
		line = strings.TrimRight(stars.ReplaceAllString(line, ""), " \t")
		line = strings.TrimPrefix(line, " ")
		trimmed := strings.TrimSpace(line)
		if trimmed == `\code` || trimmed == `\endcode` {
			code = trimmed == `\code`
			to = nil
			d.body = append(d.body, trimmed)
			continue
		}
		if code {
			d.body = append(d.body, line)
			continue
		}
		found := command.FindStringSubmatch(trimmed)
		if found == nil || found[1] == "section" || found[1] == "ref" {
			switch {
			case to != nil && trimmed != "":
				*to = strings.TrimSpace(*to + " " + trimmed)
			default:
				to = nil
				d.body = append(d.body, trimmed)
			}
			continue
		}
		name, rest, _ := strings.Cut(found[3], " ")
		rest = strings.TrimSpace(rest)
		switch found[1] {
		case "param":
			d.params = append(d.params, entry{name, rest})
			to = &d.params[len(d.params)-1].text
		case "retval":
			d.retvals = append(d.retvals, entry{name, rest})
			to = &d.retvals[len(d.retvals)-1].text
		case "returns":
			d.returns, to = found[3], &d.returns
		case "threadsafety":
			d.threads, to = found[3], &d.threads
		case "since":
			d.since, to = found[3], &d.since
		case "sa":
			d.sa, to = found[3], &d.sa
		case "file", "brief", "defgroup":
			d.other = append(d.other, entry{found[1], found[3]})
			to = &d.other[len(d.other)-1].text
			if found[1] != "brief" {
				to = nil
			}
		default:
			return d, fmt.Errorf("unknown command \\%s", found[1])
		}
	}
	return d, nil
}

func (d *doc) command(name string) (string, bool) {
	for _, e := range d.other {
		if e.name == name {
			return e.text, true
		}
	}
	return "", false
}

// brief is the first sentence of a comment, and rest what follows it.
func (d *doc) brief() (brief string, rest []string) {
	body := d.body
	for len(body) > 0 && body[0] == "" {
		body = body[1:]
	}
	end := 0
	for end < len(body) && body[end] != "" && !strings.HasPrefix(body[end], `\`) && !strings.HasPrefix(body[end], "- ") {
		end++
	}
	first := strings.Join(body[:end], " ")
	rest = body[end:]
	if at := strings.Index(first+" ", ". "); at >= 0 && at+1 < len(first) {
		rest = append([]string{strings.TrimSpace(first[at+1:])}, rest...)
		first = first[:at+1]
	}
	return first, rest
}

var (
	stars      = regexp.MustCompile(`^\s*\*?`)
	defined    = regexp.MustCompile(`^#\s*define\s+(\w+)`)
	typedefFn  = regexp.MustCompile(`^typedef\s+(.*?)\(\s*(?:HRM_CALL\s*)?\*\s*(\w+)\)\s*\((.*)\)$`)
	typedefAs  = regexp.MustCompile(`^typedef\s+.*?(\w+)$`)
	prototype  = regexp.MustCompile(`^(?:HRM_API\s+)?(.*?)(?:HRM_CALL\s+)?\b(\w+)\((.*)\)$`)
	structBody = regexp.MustCompile(`(?s)^typedef\s+struct\s+\w+\s*\{(.*)\}\s*(\w+)$`)
	spaces     = regexp.MustCompile(`\s+`)
	comments   = regexp.MustCompile(`(?s)/\*.*?\*/`)
	fieldEnd   = regexp.MustCompile(`(\w+)(?:\[\w+\])?$`)
)

// internal macros are not a part of the interface.
var internal = map[string]bool{"HRM_API": true, "HRM_CALL": true, "HOT_RELOAD_MANAGER_H": true, "HOT_RELOAD_PLUGIN_H": true, "HOT_RELOAD_CANARY_H": true}

// parse reads a header up to its implementation, if it has one.
func parse(name, text string) (*header, error) {
	h := &header{name: name}
	var pending *doc
	var in *group
	at := 0
	lineOf := func(pos int) int { return 1 + strings.Count(text[:pos], "\n") }
	add := func(s *symbol, pos int) {
		s.line, s.doc, s.group = lineOf(pos), pending, in
		h.symbols = append(h.symbols, s)
		pending = nil
	}
	for at < len(text) {
		rest := text[at:]
		begin := at
		switch {
		case strings.ContainsRune(" \t\r\n}", rune(rest[0])):
			at++
		case strings.HasPrefix(rest, "/*"):
			end := strings.Index(rest, "*/")
			if end < 0 {
				return nil, fmt.Errorf("%s:%d: a comment has no end", name, lineOf(at))
			}
			at += end + 2
			if !strings.HasPrefix(rest, "/**") || strings.HasPrefix(rest, "/**/") {
				continue
			}
			inner := strings.TrimPrefix(rest[:end], "/**")
			switch strings.TrimSpace(inner) {
			case `\}`:
				in = nil
				continue
			case `\cond`, `\endcond`: // the macros between them are internal
				continue
			}
			opens := strings.Contains(inner, `\{`)
			d, err := parseDoc(strings.Replace(inner, `\{`, "", 1))
			if err != nil {
				return nil, fmt.Errorf("%s:%d: %w", name, lineOf(begin), err)
			}
			if _, ok := d.command("file"); ok {
				h.about = d
			} else if g, ok := d.command("defgroup"); ok {
				id, title, _ := strings.Cut(g, " ")
				in = &group{name: id, title: strings.TrimSpace(title), doc: d}
				h.groups = append(h.groups, in)
				if !opens {
					return nil, fmt.Errorf("%s:%d: group %s has no \\{", name, lineOf(begin), id)
				}
			} else {
				pending = &d
			}
		case strings.HasPrefix(rest, "#"):
			end := len(rest)
			for i := 0; i < len(rest); i++ {
				if rest[i] == '\n' && rest[i-1] != '\\' {
					end = i
					break
				}
			}
			directive := rest[:end]
			at += end
			if m := defined.FindStringSubmatch(directive); m != nil && !internal[m[1]] {
				add(&symbol{kind: macro, name: m[1], text: strings.TrimSpace(comments.ReplaceAllString(directive, ""))}, begin)
			}
		case strings.HasPrefix(rest, `extern "C" {`):
			at += len(`extern "C" {`)
		default:
			end, depth := -1, 0
			for i := 0; i < len(rest) && end < 0; i++ {
				switch {
				case strings.HasPrefix(rest[i:], "/*"):
					i += strings.Index(rest[i:], "*/") + 1
				case rest[i] == '{':
					depth++
				case rest[i] == '}':
					depth--
				case rest[i] == ';' && depth == 0:
					end = i
				}
			}
			if end < 0 {
				return nil, fmt.Errorf("%s:%d: a declaration has no end", name, lineOf(at))
			}
			at += end + 1
			s, err := declaration(rest[:end])
			if err != nil {
				return nil, fmt.Errorf("%s:%d: %w", name, lineOf(begin), err)
			}
			add(s, begin)
		}
	}
	return h, nil
}

// declaration reads a declaration without its semicolon.
func declaration(text string) (*symbol, error) {
	if m := structBody.FindStringSubmatch(text); m != nil {
		fields, err := fieldsOf(m[1])
		return &symbol{kind: structure, name: m[2], text: text, fields: fields}, err
	}
	flat := strings.TrimSpace(spaces.ReplaceAllString(comments.ReplaceAllString(text, " "), " "))
	if m := typedefFn.FindStringSubmatch(flat); m != nil {
		return &symbol{kind: callback, name: m[2], text: flat, params: paramsOf(m[3]), void: strings.TrimSpace(m[1]) == "void"}, nil
	}
	if strings.HasPrefix(flat, "typedef ") {
		if m := typedefAs.FindStringSubmatch(flat); m != nil {
			return &symbol{kind: alias, name: m[1], text: flat}, nil
		}
	}
	if m := prototype.FindStringSubmatch(flat); m != nil {
		return &symbol{kind: function, name: m[2], text: flat, params: paramsOf(m[3]), void: strings.TrimSpace(m[1]) == "void"}, nil
	}
	return nil, fmt.Errorf("this declaration is not understood: %s", flat)
}

func paramsOf(list string) (names []string) {
	for _, p := range strings.Split(list, ",") {
		if m := fieldEnd.FindStringSubmatch(strings.TrimSpace(p)); m != nil && m[1] != "void" {
			names = append(names, m[1])
		}
	}
	return names
}

// fieldsOf reads the inside of a struct: comments before a field, or behind it as /**< */.
func fieldsOf(body string) (fields []field, err error) {
	var before *doc
	for body = strings.TrimSpace(body); body != ""; body = strings.TrimSpace(body) {
		if strings.HasPrefix(body, "/*") {
			end := strings.Index(body, "*/")
			inner := body[2:end]
			body = body[end+2:]
			switch {
			case strings.HasPrefix(inner, "*<"):
				d, err := parseDoc(inner[2:])
				if err != nil {
					return nil, err
				}
				if len(fields) == 0 {
					return nil, fmt.Errorf("a comment /**< before the first field")
				}
				fields[len(fields)-1].doc = &d
			case strings.HasPrefix(inner, "*"):
				d, err := parseDoc(inner[1:])
				if err != nil {
					return nil, err
				}
				before = &d
			}
			continue
		}
		end := strings.IndexByte(body, ';')
		if end < 0 {
			return nil, fmt.Errorf("a field has no end: %s", body)
		}
		text := spaces.ReplaceAllString(body[:end], " ")
		body = body[end+1:]
		var names []string
		for _, part := range strings.Split(text, ",") {
			if m := fieldEnd.FindStringSubmatch(strings.TrimSpace(part)); m != nil {
				names = append(names, m[1])
			}
		}
		fields = append(fields, field{names: strings.Join(names, ", "), text: text + ";", doc: before})
		before = nil
	}
	return fields, nil
}
