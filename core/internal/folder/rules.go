// SPDX-License-Identifier: MIT

package folder

import (
	"fmt"
	"slices"
	"strings"

	"github.com/bmatcuk/doublestar/v4"

	"github.com/qtforge/hotreload/core/internal/fsys"
)

// Rules say which files of a folder are plugins. Paths are relative to the folder, with
// "/" between names.
type Rules struct {
	include, exclude []string
	ways             [][]string // the names of each include pattern; nil: it may match anywhere
	allNames         bool
}

// Limits of the patterns. A match may try each pattern without braces that one with braces
// stands for.
const (
	maxPatterns  = 1000
	maxPattern   = 1000 // bytes
	maxExpansion = 1000
)

// NewRules returns the rules of patterns. Without include patterns every file in the folder
// itself is a plugin. With allNames, names that are never plugins otherwise may be.
func NewRules(include, exclude []string, allNames bool) (*Rules, error) {
	if len(include) == 0 {
		include = []string{"*"}
	}
	r := &Rules{allNames: allNames}
	for _, list := range []struct {
		name string
		from []string
		to   *[]string
	}{{"include", include, &r.include}, {"exclude", exclude, &r.exclude}} {
		if len(list.from) > maxPatterns {
			return nil, fmt.Errorf("there are %d %s patterns; at most %d are allowed", len(list.from), list.name, maxPatterns)
		}
		for _, p := range list.from {
			if why := fault(p); why != "" {
				return nil, fmt.Errorf("the %s pattern %q %s", list.name, p, why)
			}
			*list.to = append(*list.to, fsys.NameKey(strings.Clone(p)))
		}
	}
	for _, p := range r.include {
		way := strings.Split(p, "/")
		if slices.ContainsFunc(way, func(name string) bool { return !doublestar.ValidatePattern(name) }) {
			way = nil // a "/" stands within braces, or behind a backslash
		}
		r.ways = append(r.ways, way)
	}
	return r, nil
}

// fault is what is wrong with a pattern, "" if nothing is.
func fault(p string) string {
	switch {
	case p == "":
		return "is empty; leave it out"
	case len(p) > maxPattern:
		return fmt.Sprintf("has %d bytes; at most %d are allowed", len(p), maxPattern)
	case strings.HasPrefix(p, "/"):
		return `begins with "/"; patterns are relative to the folder`
	case strings.Contains(p, "\x00"):
		return "contains a NUL byte"
	case !doublestar.ValidatePattern(p):
		return "is malformed: a bracket, brace or backslash is not complete"
	case expansion(p) > maxExpansion:
		return fmt.Sprintf("has braces that stand for more than %d patterns; use fewer alternatives", maxExpansion)
	}
	for _, name := range strings.Split(p, "/") {
		if name == "." || name == ".." {
			return fmt.Sprintf("has %q as a name; patterns are relative to the folder", name)
		}
	}
	return ""
}

// expansion is how many patterns without braces a well-formed pattern stands for, or more
// than maxExpansion: {a,b}{c,d} stands for four, {a,{b,c}} for three.
func expansion(p string) int {
	type brace struct{ before, last int } // alternatives before the last comma, and after it
	open := []brace{{last: 1}}
	for i := 0; i < len(p); i++ {
		top := &open[len(open)-1]
		switch {
		case p[i] == '\\':
			i++
		case p[i] == '[':
			for i++; i < len(p) && p[i] != ']'; i++ {
				if p[i] == '\\' {
					i++
				}
			}
		case p[i] == '{':
			open = append(open, brace{last: 1})
		case p[i] == ',' && len(open) > 1:
			*top = brace{before: top.before + top.last, last: 1}
		case p[i] == '}' && len(open) > 1:
			open = open[:len(open)-1]
			outer := &open[len(open)-1]
			outer.last = min(outer.last*(top.before+top.last), maxExpansion+1)
		}
	}
	return open[0].last
}

func matchesAny(patterns []string, path string) bool {
	for _, p := range patterns {
		if doublestar.MatchUnvalidated(p, path) {
			return true
		}
	}
	return false
}

// IsPlugin reports whether a regular file at a path is a plugin.
func (r *Rules) IsPlugin(path string) bool {
	key := fsys.NameKey(path)
	return r.isAllowed(path, key) && matchesAny(r.include, key)
}

// MayHold reports whether a directory at a path may have plugins in it.
func (r *Rules) MayHold(path string) bool {
	key := fsys.NameKey(path)
	if !r.isAllowed(path, key) {
		return false
	}
	names := strings.Split(key, "/")
	for _, way := range r.ways {
		if way == nil || leadsThrough(way, names) {
			return true
		}
	}
	return false
}

func (r *Rules) isAllowed(path, key string) bool {
	name := path[strings.LastIndexByte(path, '/')+1:]
	return (r.allNames || Ignored(name) == nil) && !matchesAny(r.exclude, key)
}

// leadsThrough reports whether a pattern may match something in a directory.
func leadsThrough(way, names []string) bool {
	for i, name := range names {
		switch {
		case i == len(way)-1:
			return way[i] == "**"
		case way[i] == "**":
			return true
		case !doublestar.MatchUnvalidated(way[i], name):
			return false
		}
	}
	return true
}

// Depth is how many directories of a folder a path leads through.
func Depth(path string) int {
	if path == "" {
		return 0
	}
	return 1 + strings.Count(path, "/")
}
