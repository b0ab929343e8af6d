// SPDX-License-Identifier: MIT

package folder

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"unicode/utf8"
)

// MaxID is the length of an id in bytes, at most.
const MaxID = 255

// ID is the id of a file by its path in a folder, which has "/" between names: the
// folder's id, "/", and the path. Of a short id only the path without its last extension
// is left, so that two files may have one.
//
// Bytes that an id may not have (control characters, what is not UTF-8) and "%" become
// "%" and two hexadecimal digits. An id that is too long ends with "~" and 16 digits of a
// hash of the whole.
func ID(folder, path string, short bool) string {
	id := folder + "/" + path
	if short {
		id = withoutExtension(path)
	}
	return shortened(escaped(id))
}

func withoutExtension(path string) string {
	name := path[strings.LastIndexByte(path, '/')+1:]
	if dot := strings.LastIndexByte(name, '.'); dot > 0 {
		return path[:len(path)-len(name)+dot]
	}
	return path
}

func escaped(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		if r == utf8.RuneError && n == 1 || r < ' ' || r == 0x7f || r == '%' {
			const digits = "0123456789ABCDEF"
			b.Write([]byte{'%', digits[s[i]>>4], digits[s[i]&15]})
		} else {
			b.WriteString(s[i : i+n])
		}
		i += n
	}
	return b.String()
}

func shortened(id string) string {
	if len(id) <= MaxID {
		return id
	}
	sum := sha256.Sum256([]byte(id))
	tail := "~" + hex.EncodeToString(sum[:8])
	end := MaxID - len(tail)
	for !utf8.RuneStart(id[end]) {
		end--
	}
	return id[:end] + tail
}
