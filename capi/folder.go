// SPDX-License-Identifier: MIT

package main

// #include "bridge.h"
import "C"

import (
	"fmt"
	"unsafe"

	"github.com/qtforge/hotreload/core"
)

// roomForID is what a folder's function may write, the NUL included.
const roomForID = 256

//export hrmgo_enable_folder
func hrmgo_enable_folder(h C.uintptr_t, id, directory *C.hrm_cchar, o *C.hrm_folder_options, fn, userData, destroy C.uintptr_t, err *C.hrm_error) (result C.int32_t) {
	m, mask, e := lookupWithMask(uintptr(h))
	key := hostOfManager(uintptr(h)).key()
	release := func() {
		if destroy != 0 {
			C.hrmc_call_plain(destroy, userData, key, mask)
		}
	}
	defer guard(&m, &result, err)
	if e != nil {
		release()
		return code(e, err)
	}
	options, e := folderOptionsOf(o)
	if e != nil {
		release()
		return code(e, err)
	}
	options.Release = release
	if fn != 0 {
		options.ID = func(path string) string { return callFolderID(fn, userData, key, mask, path) }
	}
	return code(m.EnableFolder(view(id), view(directory), options), err)
}

// folderOptionsOf converts what shim.c has brought to the present size.
func folderOptionsOf(o *C.hrm_folder_options) (options core.FolderOptions, err error) {
	const known = C.HRM_FOLDER_ALLOW_MISSING | C.HRM_FOLDER_DELIVER_PRESENT | C.HRM_FOLDER_PAUSED | C.HRM_FOLDER_SHORT_IDS | C.HRM_FOLDER_ALL_NAMES
	if bad := o.flags &^ known; bad != 0 {
		return options, &core.Error{Kind: core.ErrNotSupported, Msg: fmt.Sprintf("hrm_folder_options.flags has bits %#x that this version does not know", uint32(bad))}
	}
	has := func(flag C.uint32_t) bool { return o.flags&flag != 0 }
	options = core.FolderOptions{MaxDepth: int(o.max_depth), MaxFiles: int(o.max_files), Quiet: quiet(o.quiet_ms), PauseMarker: text(o.pause_marker),
		AllowMissing: has(C.HRM_FOLDER_ALLOW_MISSING), DeliverPresent: has(C.HRM_FOLDER_DELIVER_PRESENT), Paused: has(C.HRM_FOLDER_PAUSED),
		ShortIDs: has(C.HRM_FOLDER_SHORT_IDS), AllNames: has(C.HRM_FOLDER_ALL_NAMES)}
	if options.Include, err = texts("hrm_folder_options.include", o.include); err != nil {
		return options, err
	}
	if options.Exclude, err = texts("hrm_folder_options.exclude", o.exclude); err != nil {
		return options, err
	}
	options.Safe, err = safeOf(o.safe)
	return options, err
}

// callFolderID returns the id of a file, "" if it is no plugin.
func callFolderID(fn, userData, host C.uintptr_t, mask C.uint64_t, path string) string {
	at, id := C.CString(path), (*C.char)(C.calloc(1, roomForID))
	defer free(at, id)
	if C.hrmc_call_folder_id(fn, userData, host, mask, at, id, roomForID) != 1 {
		return ""
	}
	written := unsafe.Slice((*byte)(unsafe.Pointer(id)), roomForID)
	written[roomForID-1] = 0
	if written[0] == 0 {
		return "\x00" // it names no id: Go says what is wrong with it
	}
	return C.GoString(id)
}

//export hrmgo_disable_folder
func hrmgo_disable_folder(h C.uintptr_t, id *C.hrm_cchar) C.int32_t {
	return answer(h, nil, func(m *core.Manager) (bool, error) { return m.DisableFolder(view(id)) }, boolean)
}

//export hrmgo_folders
func hrmgo_folders(h C.uintptr_t, buf *C.char, size *C.uint64_t) C.int32_t {
	return answer(h, nil, (*core.Manager).Folders, func(ids []string) C.int32_t { return putIDs(ids, buf, size) })
}

//export hrmgo_set_folder_paused
func hrmgo_set_folder_paused(h C.uintptr_t, id *C.hrm_cchar, on C.int32_t) C.int32_t {
	return done(h, func(m *core.Manager) error { return m.SetFolderPaused(view(id), on != 0) })
}

//export hrmgo_is_folder_paused
func hrmgo_is_folder_paused(h C.uintptr_t, id *C.hrm_cchar) C.int32_t {
	return answer(h, nil, func(m *core.Manager) (bool, error) { return m.IsFolderPaused(view(id)) }, boolean)
}
