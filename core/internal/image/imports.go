// SPDX-License-Identifier: MIT

package image

import "errors"

const (
	peDirectoryImports = 1
	peDirectoryDelayed = 13
)

var errImports = errors.New("the imports are malformed")

// librariesOfPE returns the names of what an image imports, at once or when it is
// used, and of what it forwards exports to.
func librariesOfPE(in *file) (found []Library, err error) {
	f, err := openPE(in)
	if err != nil {
		return nil, err
	}
	for _, of := range []struct {
		directory  int
		tag        string
		size, name uint64 // of an entry, and where it has the name's address
	}{{peDirectoryImports, "import", 20, 12}, {peDirectoryDelayed, "delayed import", 32, 4}} {
		at := f.directory(of.directory)
		if at.size == 0 {
			continue
		}
		for i := uint64(0); ; i++ {
			off, _, err := f.at(at.address+i*of.size, of.size)
			if err != nil {
				return nil, err
			}
			b, err := f.read(off, of.size)
			if err != nil {
				return nil, err
			}
			name := f.u32(b[of.name:])
			if name == 0 {
				break
			}
			if of.directory == peDirectoryDelayed && f.u32(b)&1 == 0 || i == maxLibraries {
				return nil, errImports // addresses are of another kind in what compilers made before 2000
			}
			if found, err = f.addLibrary(found, of.tag, name); err != nil {
				return nil, err
			}
		}
	}
	return f.forwarded(found)
}

// addLibrary adds what is named at an address, unless it is a plain name.
func (f *peFile) addLibrary(found []Library, tag string, address uint64) ([]Library, error) {
	off, room, err := f.at(address, 1)
	if err != nil {
		return nil, err
	}
	name, ends, err := nameTable{f: f.file, off: off, n: room, longest: maxShown}.at(0)
	if err == nil && !ends {
		err = errSearched
	}
	if err != nil || len(placesOfPE(name, "", "")) == 0 {
		return found, err
	}
	return append(found, Library{Tag: tag, Text: name, places: placesOfPE}), nil
}

// forwarded adds the exports that are another library's: their addresses are those of
// names in the export directory.
func (f *peFile) forwarded(found []Library) ([]Library, error) {
	d := f.directory(peDirectoryExports)
	if d.size == 0 {
		return found, nil
	}
	off, _, err := f.at(d.address, 40)
	if err != nil {
		return nil, err
	}
	h, err := f.read(off, 40)
	if err != nil {
		return nil, err
	}
	count := f.u32(h[20:])
	if count == 0 {
		return found, nil
	}
	if count > 1<<16 { // what an ordinal can number
		return nil, errImports
	}
	if off, _, err = f.at(f.u32(h[28:]), 4*count); err != nil {
		return nil, err
	}
	err = f.table(off, count, 4, func(_ uint64, b []byte) (err error) {
		if address := f.u32(b); address-d.address < d.size && address >= d.address {
			found, err = f.addLibrary(found, "forwarded export", address)
		}
		return err
	})
	return found, err
}
