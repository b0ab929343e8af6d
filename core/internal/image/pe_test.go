// SPDX-License-Identifier: MIT

package image

import (
	"encoding/binary"
	"slices"
	"testing"
)

// A PE image with one section that holds the export directory.
func peWithExports(names ...string) []byte {
	b := make([]byte, 0x400)
	u16, u32 := binary.LittleEndian.PutUint16, binary.LittleEndian.PutUint32
	copy(b, "MZ")
	u32(b[0x3c:], 0x40)
	copy(b[0x40:], "PE\x00\x00")
	u16(b[0x44:], 0x8664)
	u16(b[0x46:], 1)    // sections
	u16(b[0x54:], 0xf0) // size of the optional header
	u16(b[0x58:], 0x20b)
	u32(b[0x58+108:], 16)     // directories
	u32(b[0x58+112:], 0x1000) // exports
	u32(b[0x58+116:], 0x200)  // their size
	s := b[0x58+0xf0:]        // the section header
	copy(s, ".edata")
	u32(s[8:], 0x200)
	u32(s[12:], 0x1000)
	u32(s[16:], 0x200)
	u32(s[20:], 0x200)
	d := b[0x200:]
	u32(d[24:], uint32(len(names)))
	u32(d[32:], 0x1000+40)
	at := 40 + 4*len(names)
	for i, n := range names {
		u32(d[40+4*i:], uint32(0x1000+at))
		at += copy(d[at:], n) + 1
	}
	return b
}

func TestExportsOfPE(t *testing.T) {
	image := peWithExports("plugin_init", "plugin_answer")
	if err := exportsAll(image, "plugin_init", "plugin_answer"); err != nil {
		t.Error(err)
	}
	if err := exportsAll(image, "plugin_exit"); err == nil || err.Error() != "it does not export plugin_exit" {
		t.Error(err)
	}
	for _, broken := range [][2]uint32{{0x200 + 24, 0xffff0000}, {0x200 + 32, 0x5000}, {0x200 + 40, 0x11ff0000}, {0x58 + 112, 0x9000}} {
		bad := slices.Clone(image)
		binary.LittleEndian.PutUint32(bad[broken[0]:], broken[1])
		if err := exportsAll(bad, "plugin_init"); err == nil {
			t.Errorf("a malformed export directory (%#x) is accepted", broken[0])
		}
	}
}
