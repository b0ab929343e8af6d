// SPDX-License-Identifier: MIT

package reload

import (
	"fmt"
	"os"

	"github.com/qtforge/hotreload/core/internal/image"
	"github.com/qtforge/hotreload/core/internal/printable"
)

// Inspection is what the image of a version says of other versions and of its end. The
// zero Inspection is of a file that says nothing.
type Inspection struct {
	image image.Unloading
	words func(symbol string) string
}

// Inspect reads an image that no program writes to: a snapshot. What is no ELF image, or
// is damaged, says nothing.
func Inspect(path string) Inspection {
	in := Inspection{words: func(symbol string) string { return symbol }}
	f, err := os.Open(path)
	if err != nil {
		return in
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() {
		return in
	}
	if u, err := image.UnloadingOf(f, info.Size()); err == nil {
		in.image = u
	}
	return in
}

// InWords returns the same with names of symbols as words shows them.
func (in Inspection) InWords(words func(symbol string) string) Inspection {
	in.words = words
	return in
}

// Notes are what a host should know of the version before it has another one: for
// [Hooks].Notes. stays means that versions of the plugin stay in memory anyway. own leaves
// out what versions share because of templates of the C++ library's and Qt's.
func (in Inspection) Notes(stays, own bool) (notes []string) {
	if in.image.Unique != "" && (in.image.Own || !own) {
		notes = append(notes, "all its versions use "+in.shared()+" of the version that was loaded first (STB_GNU_UNIQUE): compile it with -fno-gnu-unique")
	}
	if in.image.StaticTLS && (stays || in.Keep() != "" || in.image.NoDelete) {
		notes = append(notes, "each version that stays in memory takes static TLS, of which there is room for few (DF_STATIC_TLS): "+
			"compile it without -ftls-model=initial-exec")
	}
	return notes
}

// Keep says why the version should not be unloaded: what could call into it afterwards, or
// use what is in it. It is "" if nothing speaks against unloading.
func (in Inspection) Keep() string {
	switch u := in.image; {
	case u.Unique != "":
		return "other versions may use " + in.shared() + " of it (STB_GNU_UNIQUE): compile it with -fno-gnu-unique"
	case u.Keys:
		return "threads may call it when they end, because it makes keys of thread-specific data (pthread_key_create) and deletes none: " +
			"delete them in its exit"
	case u.OnExit:
		return "the end of the process may call it (on_exit): use atexit"
	}
	return ""
}

// Sticks says why the loader keeps a version that was to be unloaded, as far as the image
// says it.
func (in Inspection) Sticks() string {
	switch u := in.image; {
	case u.NoDelete:
		return "it is linked with -z nodelete"
	case u.Unique != "":
		return "the process has its " + in.symbol() + " once (STB_GNU_UNIQUE): compile it with -fno-gnu-unique"
	case u.ThreadLocal:
		return "a thread that has not ended has objects of it (thread_local)"
	}
	return ""
}

// shared names the objects that versions share.
func (in Inspection) shared() string {
	name := in.symbol()
	switch n := in.image.Uniques - 1; n {
	case 0:
		return "the object " + name
	case 1:
		return "the object " + name + " and another one"
	default:
		return fmt.Sprintf("the object %s and %d others", name, n)
	}
}

func (in Inspection) symbol() string { return printable.Text(in.words(in.image.Unique), 200) }
