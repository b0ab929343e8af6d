package core

import (
	"reflect"
	"unsafe"

	"github.com/fsnotify/fsnotify"
)

// closeWrite is the operation "a file that was open for writing was closed"
// (IN_CLOSE_WRITE), and withCloseWrite adds a watch that reports it too. It is
// all the news there is of a writer that only maps a file, and the earliest of
// any other. fsnotify knows the operation and passes it on, but keeps the option
// that asks for it to itself (fsnotify#235, #553): it is reached here by
// reflection. Should a version of fsnotify have it no more, closeWrite is 0,
// watches are plain ones, and a test fails.
var closeWrite, withCloseWrite = findCloseWrite()

func findCloseWrite() (fsnotify.Op, func(*fsnotify.Watcher, string) error) {
	plain := (*fsnotify.Watcher).Add
	op := fsnotify.Op(0)
	for bit := fsnotify.Op(1); bit != 0 && op == 0; bit <<= 1 {
		if bit.String() == "CLOSE_WRITE" {
			op = bit
		}
	}
	option := fsnotify.WithBufferSize(1 << 16) // for its type, func(*withOpts)
	kind := reflect.TypeOf(option)
	if op == 0 || kind.Kind() != reflect.Func || kind.NumIn() != 1 || kind.In(0).Kind() != reflect.Pointer ||
		kind.In(0).Elem().Kind() != reflect.Struct {
		return 0, plain
	}
	field, ok := kind.In(0).Elem().FieldByName("op")
	if !ok || field.Type != reflect.TypeOf(op) {
		return 0, plain
	}
	reflect.ValueOf(&option).Elem().Set(reflect.MakeFunc(kind, func(in []reflect.Value) []reflect.Value {
		*(*fsnotify.Op)(unsafe.Add(in[0].UnsafePointer(), field.Offset)) |= op
		return nil
	}))
	return op, func(w *fsnotify.Watcher, dir string) error { return w.AddWith(dir, option) }
}
