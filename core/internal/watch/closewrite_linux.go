// SPDX-License-Identifier: MIT

package watch

import (
	"reflect"
	"unsafe"

	"github.com/fsnotify/fsnotify"
)

// CloseWrite is the operation "a file that was open for writing was closed"
// (IN_CLOSE_WRITE). It is all the news there is of a writer that only maps a
// file, and the earliest of any other. fsnotify knows it and passes it on, but
// keeps the option that chooses operations to itself (fsnotify#235, #553): it is
// reached here by reflection. Should a version of fsnotify have it no more,
// CloseWrite is 0, watches are plain ones, and a test fails.
var CloseWrite, choose = findChoice()

// withFiles has a directory report what becomes of files in it, withNames only
// what appears in it and goes.
var (
	withFiles = choose(fsnotify.Create | fsnotify.Remove | fsnotify.Rename | fsnotify.Chmod | fsnotify.Write | CloseWrite)
	withNames = choose(fsnotify.Create | fsnotify.Remove | fsnotify.Rename | fsnotify.Chmod)
)

// descriptorOf is the descriptor of fsnotify's inotify instance, which it keeps to itself; -1
// if a version of fsnotify keeps it elsewhere.
func descriptorOf(w *fsnotify.Watcher) int {
	backend := field(reflect.ValueOf(w).Elem(), "b")
	if backend.Kind() != reflect.Interface || backend.Elem().Kind() != reflect.Pointer {
		return -1
	}
	fd := field(backend.Elem().Elem(), "fd")
	if fd.Kind() != reflect.Int {
		return -1
	}
	return int(fd.Int())
}

// field is a field of a struct; the zero Value if there is none. FieldByName would add 10 kB
// to the library.
func field(of reflect.Value, name string) (f reflect.Value) {
	if of.Kind() != reflect.Struct {
		return f
	}
	for i := range of.NumField() {
		if of.Type().Field(i).Name == name {
			f = of.Field(i)
		}
	}
	return f
}

// add is fsnotify's Add with some operations.
type add func(w *fsnotify.Watcher, dir string) error

func findChoice() (closeWrite fsnotify.Op, choose func(fsnotify.Op) add) {
	choose = func(fsnotify.Op) add { return (*fsnotify.Watcher).Add }
	op := fsnotify.Op(0)
	for bit := fsnotify.Op(1); bit != 0 && op == 0; bit <<= 1 {
		if bit.String() == "CLOSE_WRITE" {
			op = bit
		}
	}
	option := fsnotify.WithBufferSize(1 << 16) // for its type, func(*withOpts)
	kind := reflect.TypeOf(option)
	if op == 0 || kind.Kind() != reflect.Func || kind.NumIn() != 1 || kind.NumOut() != 0 || kind.In(0).Kind() != reflect.Pointer ||
		kind.In(0).Elem().Kind() != reflect.Struct {
		return 0, choose
	}
	opts := kind.In(0).Elem()
	for i := range opts.NumField() {
		field := opts.Field(i)
		if field.Name != "op" || field.Type != reflect.TypeOf(op) {
			continue
		}
		at := field.Offset
		return op, func(ops fsnotify.Op) add {
			option := option
			// A function of a pointer is called alike whatever that points to.
			set := func(opts unsafe.Pointer) { *(*fsnotify.Op)(unsafe.Add(opts, at)) = ops }
			*(*func(unsafe.Pointer))(unsafe.Pointer(&option)) = set
			return func(w *fsnotify.Watcher, dir string) error { return w.AddWith(dir, option) }
		}
	}
	return 0, choose
}
