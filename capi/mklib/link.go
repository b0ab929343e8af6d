// SPDX-License-Identifier: MIT

package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// names are the file names of the library on one system.
type names struct {
	file  string // what the linker writes
	id    string // SONAME or install name; "" if the format has none
	node  string // the symbols' version on ELF: two majors can live in one process
	links []link // made in this order, each pointing to something that exists
	// On Windows programs link with an import library: MinGW's linkers look for
	// the first name, Microsoft's for the second.
	importGNU, importMSVC string
}

// exportList is where the linker writes the exports of a DLL.
const exportList = "hotreload.def"

type link struct{ name, target string }

func namesFor(goos string, static bool, v version) names {
	major := fmt.Sprint(v.major)
	switch {
	case static:
		return names{file: "libhotreload.a"}
	case goos == "windows":
		return names{file: "hotreload.dll", importGNU: "libhotreload.dll.a", importMSVC: "hotreload.lib"}
	case goos == "darwin" || goos == "ios":
		file := "libhotreload." + major + ".dylib"
		return names{
			file:  file,
			id:    "@rpath/" + file,
			links: []link{{"libhotreload.dylib", file}},
		}
	default:
		soname := "libhotreload.so." + major
		file := "libhotreload.so." + v.String()
		return names{
			file:  file,
			id:    soname,
			node:  "HOTRELOAD_" + major,
			links: []link{{soname, file}, {"libhotreload.so", soname}},
		}
	}
}

// wrapped has pressure.c see to the threads and the memory that Go's runtime asks for. A shared
// library gets these flags from capi/exports.go.
const wrapped = "-Wl,--wrap=pthread_create,--wrap=mmap"

// linkerFlags are the flags for the system's linker, given through the C
// compiler. It writes the list of exports into scratch.
func linkerFlags(c config, n names, scratch string) ([]string, error) {
	// Only the header's functions are exported; Go's own exports and the C part
	// of its runtime are default-visible otherwise.
	switch c.goos {
	case "windows":
		// The functions carry dllexport.
		return []string{
			"-Wl,--dynamicbase,--nxcompat,--high-entropy-va",
			"-Wl,--output-def," + filepath.Join(scratch, exportList),
		}, nil
	case "darwin", "ios":
		list := filepath.Join(scratch, "exports.txt")
		if err := os.WriteFile(list, []byte("_hrm_*\n"), 0o644); err != nil {
			return nil, err
		}
		return []string{
			"-Wl,-exported_symbols_list," + list,
			"-Wl,-install_name," + n.id,
		}, nil
	default:
		list := filepath.Join(scratch, "exports.map")
		if err := os.WriteFile(list, []byte(n.node+" { global: hrm_*; local: *; };\n"), 0o644); err != nil {
			return nil, err
		}
		// Go adds -z nodelete itself: its runtime cannot be unloaded.
		return []string{
			"-Wl,--version-script=" + list,
			"-Wl,-soname," + n.id,
			"-Wl,-z,relro,-z,now,-z,noexecstack",
			"-Wl,--build-id=sha1",
		}, nil
	}
}

// importLibraries puts what programs on Windows link with beside the DLL. They
// have the header's functions alone: the linker's list has Go's exports, too.
func importLibraries(c config, n names, scratch string) error {
	cc, err := compiler(c)
	if err != nil {
		return err
	}
	all, err := os.ReadFile(filepath.Join(scratch, exportList))
	if err != nil {
		return err
	}
	const ours = "ours.def"
	if err := os.WriteFile(filepath.Join(scratch, ours), []byte(publicExports(n.file, string(all))), 0o644); err != nil {
		return err
	}
	for _, name := range []string{n.importGNU, n.importMSVC} {
		// In scratch, because it makes symbols of the library's path.
		cmd := exec.Command(tool("DLLTOOL", dlltoolOf(cc[0])), "-d", ours, "-D", n.file, "-l", name)
		cmd.Dir, cmd.Stdout, cmd.Stderr = scratch, os.Stderr, os.Stderr
		if err := cmd.Run(); err != nil {
			return fmt.Errorf("%s: %w; DLLTOOL names another dlltool", strings.Join(cmd.Args, " "), err)
		}
		text, err := os.ReadFile(filepath.Join(scratch, name))
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(c.out, name), text, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// publicExports is a linker's list of exports without what is not the header's.
func publicExports(dll, list string) string {
	out := "LIBRARY " + dll + "\nEXPORTS\n"
	for line := range strings.Lines(list) {
		if name := strings.Fields(line); len(name) > 0 && strings.HasPrefix(name[0], "hrm_") {
			out += "    " + name[0] + "\n"
		}
	}
	return out
}

// dlltoolOf is the dlltool of a cross compiler's own tools.
func dlltoolOf(cc string) string {
	dir, name := filepath.Split(cc)
	if at := strings.LastIndex(name, "-"); at >= 0 {
		return dir + name[:at+1] + "dlltool"
	}
	return "dlltool"
}

// hideSymbols leaves an archive only the header's functions as global symbols:
// it becomes one object in which everything else is local. Otherwise the names
// of Go's runtime would meet those of the program and of other Go archives.
// The tools of other systems cannot do it.
func hideSymbols(c config, archive string) error {
	if c.goos != "linux" {
		return nil
	}
	object := strings.TrimSuffix(archive, ".a") + ".o"
	cc, err := compiler(c)
	if err != nil {
		return err
	}
	// -d gives common symbols their place; objcopy cannot make them local before.
	args := append(cc[1:], "-r", "-nostdlib", "-Wl,-d", wrapped, "-o", object,
		"-Wl,--whole-archive", archive, "-Wl,--no-whole-archive")
	if err := command(c, nil, cc[0], args...); err != nil {
		return err
	}
	if err := command(c, nil, tool("OBJCOPY", "objcopy"), "--wildcard", "--keep-global-symbol=hrm_*", object); err != nil {
		return err
	}
	if err := os.Remove(archive); err != nil {
		return err
	}
	// D: no times and owners, so that the same source gives the same bytes.
	return command(c, nil, tool("AR", "ar"), "rcsD", archive, object)
}

// compiler is the C compiler and the arguments that belong to it.
func compiler(c config) ([]string, error) {
	cc, err := goEnv(c.root, "CC")
	if err != nil {
		return nil, err
	}
	words, err := split(cc)
	if err != nil {
		return nil, fmt.Errorf("go env CC: %w", err)
	}
	if len(words) == 0 {
		return nil, errors.New("go env CC names no C compiler")
	}
	return words, nil
}

func tool(variable, name string) string {
	if t := os.Getenv(variable); t != "" {
		return t
	}
	return name
}

// quote makes one argument of several for -ldflags, which splits at spaces and
// understands single and double quotes but no escapes. A path with a space is
// then cut by the linker's own splitting of -extldflags, so it is quoted, too.
func quote(flags []string) (string, error) {
	parts := make([]string, len(flags))
	for i, f := range flags {
		if strings.ContainsAny(f, `'"`) {
			return "", fmt.Errorf("the linker's flag %s has a quotation mark, which Go cannot pass on: set TMPDIR to a path without one", f)
		}
		parts[i] = f
		if strings.ContainsAny(f, " \t") {
			parts[i] = `"` + f + `"`
		}
	}
	return "'" + strings.Join(parts, " ") + "'", nil
}

// split takes a command apart as Go does with CC: at spaces, and what is quoted
// as a whole, by ' or ", stays together.
func split(command string) ([]string, error) {
	var words []string
	for {
		command = strings.TrimLeft(command, " \t\n\r")
		if command == "" {
			return words, nil
		}
		end, rest := strings.IndexAny(command, " \t\n\r"), ""
		if q := command[0]; q == '\'' || q == '"' {
			command = command[1:]
			if end = strings.IndexByte(command, q); end < 0 {
				return nil, fmt.Errorf("unterminated %c in %q", q, command)
			}
			rest = command[end+1:]
		} else if end < 0 {
			end = len(command)
		} else {
			rest = command[end:]
		}
		words, command = append(words, command[:end]), rest
	}
}
