// SPDX-License-Identifier: MIT

package verify

import (
	"cmp"
	"strconv"
	"strings"

	"github.com/qtforge/hotreload/core/internal/fsys"
	"github.com/qtforge/hotreload/core/internal/printable"
)

// maxComment is how much of a trusted comment is given to the host. minisign writes
// no longer ones.
const maxComment = 8192

// Statement is what the signer of a version says of it, in the trusted comment of the
// signature. It was verified.
type Statement struct {
	Version Version   // that it gives; zero if no version was asked for
	Signed  fsys.Hash // SHA-256 of what was signed: the plugin's own file, or the manifest
}

// The words of a trusted comment that say something of the plugin. minisign's own
// words have the same form: "timestamp:1700000000 file:plugin.so hashed".
const (
	nameWord     = "plugin:"
	manifestWord = "manifest:" // in place of plugin:, in the signature of a manifest
	versionWord  = "version:"
)

// examine says why the trusted comment does not fit what the policy asks for, and
// returns the version that it gives.
func (p *Policy) examine(comment string) (Version, error) {
	if p.Name == "" && !p.Versions {
		return Version{}, nil
	}
	said, err := wordsOf(comment)
	if err != nil {
		return Version{}, err
	}
	name, version := said.name, said.version
	switch {
	case p.Name != "" && name == "":
		return Version{}, Reject("the signature does not say that it is for plugin %q: its trusted comment does not begin with %q (sign with minisign -t)", p.Name, nameWord+p.Name)
	case p.Name != "" && name != p.Name:
		return Version{}, Reject("the signature is for plugin %q, not for %q", name, p.Name)
	case !p.Versions:
		return Version{}, nil
	case version == "":
		return Version{}, Reject("the signature does not give a version: the first words of its trusted comment must have one such as version:1.2.3 (sign with minisign -t)")
	}
	v, err := ParseVersion(version)
	if err != nil {
		return v, Reject("the trusted comment of the signature: %v", err)
	}
	if v.Compare(p.MinVersion) < 0 {
		return v, Reject("version %v is older than %v, the oldest that is accepted", v, p.MinVersion)
	}
	return v, nil
}

// words are what a trusted comment begins with.
type words struct {
	name, version string
	manifest      bool // the name is that of a manifest's plugin
}

// wordsOf reads the words that a trusted comment begins with. Only its first words
// count, because others may have chosen what follows: minisign's own comment has the
// file's name. After an error manifest says whether one of them was that of a manifest.
func wordsOf(comment string) (w words, err error) {
	for word := range strings.FieldsFuncSeq(comment, func(r rune) bool { return r == ' ' || r == '\t' }) {
		_, value, _ := strings.Cut(word, ":")
		to := &w.name
		switch word[:len(word)-len(value)] {
		case nameWord:
		case manifestWord:
			w.manifest = true
		case versionWord:
			to = &w.version
		default:
			return w, nil
		}
		if value == "" || *to != "" {
			return w, Reject("the trusted comment of the signature has a word %q that is empty or there twice", word)
		}
		*to = value
	}
	return w, nil
}

// isForManifest reports whether a trusted comment says that a manifest was signed.
// Otherwise a signed manifest could be taken for a plugin, and a plugin for a manifest.
func isForManifest(comment string) bool {
	w, _ := wordsOf(comment)
	return w.manifest
}

// shown is a trusted comment as the host receives it.
func shown(comment string) string {
	return printable.Text(strings.ReplaceAll(comment, "\t", " "), maxComment)
}

// Version is a version of a plugin: numbers, of which the first ones count most. Those
// that are not given are 0.
type Version [maxNumbers]uint64

const (
	maxNumbers = 8
	maxDigits  = 18
)

// ParseVersion reads a version such as 1.2.3: 1 to 8 numbers of at most 18 digits.
func ParseVersion(text string) (v Version, err error) {
	numbers := strings.Split(text, ".")
	if len(numbers) > maxNumbers {
		return v, errNoVersion(text)
	}
	for i, n := range numbers {
		if n == "" || len(n) > maxDigits || strings.Trim(n, "0123456789") != "" {
			return Version{}, errNoVersion(text)
		}
		if v[i], err = strconv.ParseUint(n, 10, 64); err != nil {
			return Version{}, errNoVersion(text)
		}
	}
	return v, nil
}

func errNoVersion(text string) error {
	return printable.Errorf("%q is no version: 1 to %d numbers with dots between them, each of at most %d digits, such as 1.2.3", text, maxNumbers, maxDigits)
}

// Compare is negative if v is older than other, 0 if they are equal.
func (v Version) Compare(other Version) int {
	for i := range v {
		if c := cmp.Compare(v[i], other[i]); c != 0 {
			return c
		}
	}
	return 0
}

func (v Version) String() string {
	last := len(v) - 1
	for last > 0 && v[last] == 0 {
		last--
	}
	text := strconv.FormatUint(v[0], 10)
	for _, n := range v[1 : last+1] {
		text += "." + strconv.FormatUint(n, 10)
	}
	return text
}
