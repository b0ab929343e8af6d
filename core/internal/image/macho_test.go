// SPDX-License-Identifier: MIT

package image

import (
	"bytes"
	"debug/macho"
	"encoding/binary"
	"strings"
	"testing"
)

// machoSymbol is one of an image's symbol table.
type machoSymbol struct {
	name string
	kind uint8 // n_type
}

// The bits of n_type, as <mach-o/nlist.h> has them.
const (
	nExternal = 0x01
	nAbsolute = 0x02
	nSection  = 0x0e
	nPrivate  = 0x10
)

// dylib is a Mach-O library with a symbol table.
func dylib(cpu macho.Cpu, symbols ...machoSymbol) []byte {
	const header, command, nlist = 32, 24, 16
	names := []byte{' ', 0}
	var table bytes.Buffer
	put := func(b *bytes.Buffer, v ...any) {
		for _, x := range v {
			_ = binary.Write(b, binary.LittleEndian, x)
		}
	}
	for _, s := range symbols {
		put(&table, uint32(len(names)), s.kind, uint8(1), uint16(0), uint64(0x1000))
		names = append(append(names, s.name...), 0)
	}
	var b bytes.Buffer
	put(&b, uint32(macho.Magic64), uint32(cpu), uint32(0), uint32(macho.TypeDylib), uint32(1), uint32(command), uint32(0), uint32(0))
	put(&b, uint32(macho.LoadCmdSymtab), uint32(command), uint32(header+command), uint32(len(symbols)),
		uint32(header+command+nlist*len(symbols)), uint32(len(names)))
	b.Write(table.Bytes())
	b.Write(names)
	return b.Bytes()
}

func TestExportsOfMacho(t *testing.T) {
	own, ok := macho.Cpu(thisMacho()), thisMacho() != 0
	if !ok {
		own = macho.CpuAmd64
	}
	other := macho.CpuArm64
	if own == other {
		other = macho.CpuAmd64
	}
	image := dylib(own,
		machoSymbol{"_plugin_init", nExternal | nSection},
		machoSymbol{"_plugin_version", nExternal | nAbsolute},
		machoSymbol{"_plugin_hidden", nExternal | nPrivate | nSection}, // __attribute__((visibility("hidden")))
		machoSymbol{"_plugin_static", nSection},
		machoSymbol{"_plugin_needed", nExternal}, // undefined: of another library
	)
	if err := check(image); ok && err != nil {
		t.Fatalf("the test's own image: %v", err)
	}
	if err := exportsAll(image, "plugin_init", "plugin_version"); err != nil {
		t.Error(err)
	}
	for _, missing := range []string{"plugin_hidden", "plugin_static", "plugin_needed", "plugin_absent", "_plugin_init"} {
		if err := exportsAll(image, "plugin_init", missing); err == nil || err.Error() != "it does not export "+missing {
			t.Errorf("%s: %v", missing, err)
		}
	}
	if ok { // of a universal image that counts which is for this machine
		foreign := dylib(other, machoSymbol{"_plugin_foreign", nExternal | nSection})
		if err := exportsAll(universal(foreign, image), "plugin_init"); err != nil {
			t.Error(err)
		}
		if err := exportsAll(universal(foreign, image), "plugin_foreign"); err == nil || !strings.Contains(err.Error(), "does not export plugin_foreign") {
			t.Errorf("another machine's symbol: %v", err)
		}
	}
	for n := range len(image) {
		if err := exportsAll(image[:n], "plugin_init", "plugin_version", "plugin_needed"); err == nil {
			t.Fatalf("cut to %d of %d bytes: accepted", n, len(image))
		}
	}
	if err := exportsAll(dylib(own), "plugin_init"); err == nil {
		t.Error("an image without symbols is accepted")
	}
}
