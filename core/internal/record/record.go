// SPDX-License-Identifier: MIT

package record

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/qtforge/hotreload/core/internal/fsys"
	"github.com/qtforge/hotreload/core/internal/printable"
)

// Entry is what is remembered of a plugin.
type Entry struct {
	Version string    // as text
	Signed  fsys.Hash // of what was signed
}

const (
	header  = "hotreload version 1\n" // of the format
	suffix  = ".version"
	maxFile = 4 << 10
	maxName = 200 // of a file; a plugin's id may be longer
)

// Path is the file in dir that remembers the plugin with that id.
func Path(dir, id string) string {
	name := escape(id)
	if len(name) > maxName {
		sum := sha256.Sum256([]byte(id))
		name = name[:maxName-64] + hex.EncodeToString(sum[:])[:64]
	}
	return filepath.Join(dir, name+suffix)
}

// escape makes an id one word that can be a file's name on every system, and no other
// id has the same.
func escape(id string) string {
	var out strings.Builder
	for _, c := range []byte(id) {
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("-_.", c) >= 0 {
			out.WriteByte(c)
		} else {
			out.WriteByte('%')
			out.WriteString(hex.EncodeToString([]byte{c}))
		}
	}
	return out.String()
}

// Read returns what is remembered of a plugin; ok is false if nothing is.
func Read(dir, id string) (e Entry, ok bool, err error) {
	path := Path(dir, id)
	f, _, err := fsys.OpenRegular(path)
	if errors.Is(err, fs.ErrNotExist) {
		return e, false, nil
	}
	if err != nil {
		return e, false, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxFile))
	if err != nil {
		return e, false, err
	}
	if e, ok = parse(string(text), id); !ok {
		return e, false, printable.Errorf("%q is damaged, or of another plugin than %q. Put it back from a backup. Removing it lets an older version be loaded again", path, id)
	}
	return e, true, nil
}

func (e Entry) text(id string) string {
	return header + "plugin " + escape(id) + "\nversion " + e.Version + "\nsha256 " + hex.EncodeToString(e.Signed[:]) + "\n"
}

// parse is the reverse of text. Nothing but what text writes is understood.
func parse(text, id string) (e Entry, ok bool) {
	lines := strings.Split(text, "\n")
	if len(lines) != 5 {
		return e, false
	}
	e.Version = strings.TrimPrefix(lines[2], "version ")
	sum, err := hex.DecodeString(strings.TrimPrefix(lines[3], "sha256 "))
	if err != nil || len(sum) != len(e.Signed) || e.Version == "" {
		return e, false
	}
	copy(e.Signed[:], sum)
	return e, e.text(id) == text
}

// Write remembers an entry of a plugin. After a failure the former one is there still.
func Write(dir, id string, e Entry) error {
	f, err := os.CreateTemp(dir, ".new-*") // mode 0600
	if err != nil {
		return err
	}
	_, err = f.WriteString(e.text(id))
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), Path(dir, id))
	}
	if err != nil {
		_ = os.Remove(f.Name())
		return err
	}
	return syncDir(dir)
}

// Try says why nothing could be written to dir.
func Try(dir string) error {
	f, err := os.CreateTemp(dir, ".new-*")
	if err != nil {
		return err
	}
	return errors.Join(f.Close(), os.Remove(f.Name()))
}
