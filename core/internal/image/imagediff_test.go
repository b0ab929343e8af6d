// SPDX-License-Identifier: MIT

package image

import (
	"bytes"
	"encoding/binary"
	"flag"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/qtforge/hotreload/core/internal/boundtest"
)

var (
	imageDirs   = flag.String("image.dirs", "/usr/lib:/usr/bin", "directories whose images are read by both readers")
	imageFiles  = flag.Int("image.files", 150, "how many of them")
	imageRounds = flag.Int("image.rounds", 3000, "damaged images of each kind")
)

// stricter are the reasons for which an image is rejected that the standard
// library's readers take.
var stricter = []string{
	"than any image has", "longer than any image has", "images in one", // no more memory or time than an image is worth
	"two symbol tables", "at the same place of the file",
	"the dynamic symbol table has more symbols", // debug/macho adds in 32 bits
	"has no name of a library",                  // debug/macho knows two of the kinds
	"unknown version",                           // debug/elf looks at 8 of 32 bits
	"not in the file as they are used",          // names that are compressed
	"the dynamic segment is malformed",          // debug/elf looks at the sections instead
}

// agree compares our verdict on an image, and what it exports, with the
// reference's. Of an ELF image the reference reads the sections instead of the
// dynamic segment: if it is not intact, they may say different things.
func agree(t *testing.T, what string, b []byte, intact bool) {
	t.Helper()
	got, want := check(b), refComplete(b)
	if got != nil && strings.Contains(got.Error(), "runtime error") {
		t.Fatalf("%s: %v", what, got)
	}
	if (got == nil) != (want == nil) {
		if got != nil && explained(got) {
			return
		}
		t.Fatalf("%s: %v; the reference says %v", what, got, want)
	}
	if len(b) < 4 || formatOf(b[:4]) == nil {
		return
	}
	names, refErr := refExports(b)
	wanted := []string{"plugin_absent"}
	for n := range names {
		wanted = append(wanted, n)
	}
	missing, err := Missing(bytes.NewReader(b), int64(len(b)), wanted) // must end well whatever the verdict
	agreeOnLibraries(t, what, b, intact && got == nil)
	if got != nil || refErr != nil || formatOf(b) == formatELF && !intact {
		return
	}
	if err != nil {
		if !explained(err) {
			t.Fatalf("%s: exports: %v", what, err)
		}
		return
	}
	for _, n := range wanted {
		if found := !slices.Contains(missing, n); n != "" && found != names[n] {
			t.Fatalf("%s: %q: exported %v; the reference says %v", what, n, found, names[n])
		}
	}
}

// agreeOnLibraries compares what an image says of libraries.
func agreeOnLibraries(t *testing.T, what string, b []byte, intact bool) {
	t.Helper()
	libraries, err := Libraries(bytes.NewReader(b), int64(len(b)))
	if err != nil && strings.Contains(err.Error(), "runtime error") {
		t.Fatalf("%s: %v", what, err)
	}
	if !intact {
		return
	}
	want, refErr := refLibraries(b)
	if refErr != nil {
		return
	}
	if err != nil {
		t.Fatalf("%s: libraries: %v", what, err)
	}
	got := []string{}
	for _, l := range libraries {
		got = append(got, l.Tag+" "+l.Text)
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Fatalf("%s: libraries %q; the reference says %q", what, got, want)
	}
}

func explained(err error) bool {
	for _, s := range stricter {
		if strings.Contains(err.Error(), s) {
			return true
		}
	}
	return false
}

// The images of this machine, complete and cut off.
func TestReadersAgreeOnRealImages(t *testing.T) {
	t.Parallel()
	left := *imageFiles
	for _, dir := range filepath.SplitList(*imageDirs) {
		_ = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
			if left == 0 {
				return fs.SkipAll
			}
			if err != nil || !d.Type().IsRegular() || !beginsAsImage(path) {
				return nil
			}
			if st, err := d.Info(); err != nil || st.Size() > 8<<20 {
				return nil
			}
			b, err := os.ReadFile(path)
			if err != nil {
				return nil
			}
			left--
			agree(t, path, b, true)
			for _, n := range []int{len(b) - 1, len(b) - 64, len(b) / 2, 4096} {
				if n > 0 && n < len(b) {
					agree(t, path+", cut off", b[:n], false)
				}
			}
			return nil
		})
	}
}

func beginsAsImage(path string) bool {
	f, err := os.Open(path)
	if err != nil {
		return false
	}
	defer f.Close()
	var magic [4]byte
	n, _ := f.ReadAt(magic[:], 0)
	return Begins(magic[:n])
}

// specimens are small images of every format.
func specimens(t testing.TB) map[string][]byte {
	own := machoSymbol{"_plugin_init", nExternal | nSection}
	m := map[string][]byte{
		"PE":        peWithExports("plugin_init", "plugin_answer"),
		"Mach-O":    dylib(refCPU, own, machoSymbol{"_plugin_needed", nExternal}),
		"universal": universal(dylib(refCPU, own), dylib(refCPU^0xff, own)),
	}
	if t, ok := t.(*testing.T); ok {
		m["PE program"] = program(t, "windows", runtime.GOARCH, "-ldflags=-s -w")
		m["PE program with symbols"] = program(t, "windows", runtime.GOARCH)
		m["Mach-O program"] = program(t, "darwin", runtime.GOARCH, "-ldflags=-s -w")
	}
	return m
}

// Damage of all kinds where the headers and tables are.
func TestReadersAgreeOnDamagedImages(t *testing.T) {
	t.Parallel()
	all := specimens(t)
	if runtime.GOOS == "linux" {
		all["ELF"] = library(t)
		all["ELF program"] = program(t, "linux", runtime.GOARCH)
	}
	for name, complete := range all {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			seed := rand.Uint64()
			t.Logf("seed %d", seed)
			rounds := *imageRounds
			if len(complete) > 1<<17 {
				rounds /= 50 // the reference takes long
			}
			r := rand.New(rand.NewPCG(seed, 0))
			agree(t, "complete", complete, true)
			for range rounds {
				agree(t, "damaged", damage(r, bytes.Clone(complete)), false)
			}
		})
	}
}

// damage changes a few numbers, mostly in the headers or near the end.
func damage(r *rand.Rand, b []byte) []byte {
	for range 1 + r.IntN(3) {
		at := r.IntN(len(b))
		switch r.IntN(4) {
		case 0, 1:
			at = r.IntN(min(len(b), 700))
		case 2:
			at = len(b) - 1 - r.IntN(min(len(b), 4096))
		}
		field := b[at&^3:]
		if len(field) < 4 {
			continue
		}
		old := binary.LittleEndian.Uint32(field)
		values := []uint32{0, 1, 1 << 31, 0xffffffff, 0xffff, uint32(len(b)), old + 1, old - 1, old << 8, old ^ 1<<r.IntN(32), r.Uint32()}
		if v := values[r.IntN(len(values))]; r.IntN(2) == 0 {
			binary.LittleEndian.PutUint32(field, v)
		} else {
			b[at] = byte(v)
		}
	}
	if r.IntN(8) == 0 {
		b = b[:r.IntN(len(b))]
	}
	return b
}

// endless has as many bytes as anything announces: header, then filling.
type endless struct {
	header  []byte
	filling byte
}

func (e endless) ReadAt(b []byte, off int64) (int, error) {
	for i := range b {
		b[i] = e.filling
	}
	if off < int64(len(e.header)) {
		copy(b, e.header[off:])
	}
	return len(b), nil
}

// A sparse file can be as large as its header says, and costs its maker nothing.
func TestImmenseTablesAreRejected(t *testing.T) {
	elf := append([]byte("\x7fELF\x02\x01\x01"), make([]byte, 200)...)
	copy(elf[18:], "\x3e\x00\x01\x00\x00\x00")
	binary.LittleEndian.PutUint64(elf[40:], 64) // e_shoff
	binary.LittleEndian.PutUint16(elf[58:], 64) // e_shentsize
	sections := bytes.Clone(elf)
	binary.LittleEndian.PutUint64(sections[64+32:], 1<<40)
	names := bytes.Clone(elf)
	binary.LittleEndian.PutUint16(names[60:], 1)
	binary.LittleEndian.PutUint32(names[64+4:], 11) // a symbol table
	binary.LittleEndian.PutUint64(names[64+32:], 24<<40)
	symbols := peWithExports("plugin_init")
	binary.LittleEndian.PutUint32(symbols[0x4c:], 0x400)
	binary.LittleEndian.PutUint32(symbols[0x50:], 0xffffffff)
	commands := dylib(refCPU)
	binary.LittleEndian.PutUint32(commands[20:], 0xfffffff0)
	table := dylib(refCPU)
	binary.LittleEndian.PutUint32(table[32+12:], 0xffffffff)
	images := universal(dylib(refCPU))
	binary.BigEndian.PutUint32(images[4:], 1<<30)
	for name, header := range map[string][]byte{
		"sections": sections, "dynamic symbols": names, "COFF symbols": symbols,
		"load commands": commands, "symbols": table, "images": images,
	} {
		for _, filling := range []byte{0, 1, 0xff} {
			f := endless{header, filling}
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			incomplete := Check(f, 1<<50)
			missing, unreadable := Missing(f, 1<<50, []string{"plugin_init"})
			runtime.ReadMemStats(&after)
			if incomplete == nil || unreadable == nil && len(missing) == 0 {
				t.Errorf("%s, filled with %d: %v, %v, %v", name, filling, incomplete, missing, unreadable)
			}
			if used := after.TotalAlloc - before.TotalAlloc; used > 4*maxBytes {
				t.Errorf("%s, filled with %d: %d bytes allocated", name, filling, used)
			}
		}
	}
}

func FuzzImage(f *testing.F) {
	for _, b := range specimens(f) {
		f.Add(b)
	}
	f.Add([]byte("\x7fELF\x02\x01\x01"))
	f.Add(universal())
	if me, err := os.ReadFile("/usr/lib/x86_64-linux-gnu/libdl.so.2"); err == nil { // the smallest there is
		f.Add(me)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		boundtest.Within(t, 4*maxBytes, func() {
			_ = check(b)
			_, _ = Libraries(bytes.NewReader(b), int64(len(b)))
			_, _ = UnloadingOf(bytes.NewReader(b), int64(len(b)))
			_, _ = Missing(bytes.NewReader(b), int64(len(b)), []string{"plugin_init"})
		})
		agree(t, "image", b, false)
	})
}
