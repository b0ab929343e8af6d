// SPDX-License-Identifier: MIT

package fsys

import (
	"bufio"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Writers finds the processes that hold files open for writing, by descriptor or by
// mapping, as far as this process may examine them: processes of its own user, or all
// with CAP_SYS_PTRACE. It returns what it has found once stopped says so. It asks no file
// system but /proc.
func Writers(files []ID, stopped func() bool) map[ID][]Process {
	s := search{wanted: map[ID]bool{}, inodes: map[uint64]ID{}, found: map[ID][]Process{}}
	for _, id := range files {
		s.wanted[id], s.inodes[id.Inode] = true, id
	}
	for _, pid := range numbersIn("/proc") {
		if stopped() {
			break
		}
		s.examine(pid)
	}
	return s.found
}

// MayReadDirectory reports whether this process may read the names in a directory, which
// a watch of it needs.
func MayReadDirectory(dir string) bool {
	return unix.Faccessat2(unix.AT_FDCWD, dir, unix.R_OK, unix.AT_EACCESS) != unix.EACCES
}

// search is one look through all processes.
type search struct {
	wanted map[ID]bool
	inodes map[uint64]ID
	found  map[ID][]Process
}

func (s *search) examine(pid int) {
	proc := "/proc/" + strconv.Itoa(pid)
	held := map[ID]bool{}
	for _, fd := range numbersIn(proc + "/fd") {
		path := proc + "/fd/" + strconv.Itoa(fd)
		if !isForWriting(path) {
			continue
		}
		if id, ok := idOfOpen(path); ok && s.wanted[id] {
			held[id] = true
		}
	}
	s.mappings(proc, held)
	for id := range held {
		s.found[id] = append(s.found[id], Process{PID: pid, Program: programOf(proc)})
	}
}

// mappings adds the files that a process maps, by a descriptor that was open for writing.
// The device number in maps is that of the file system below, for overlayfs and btrfs, so
// that the inode number counts alone.
func (s *search) mappings(proc string, held map[ID]bool) {
	f, err := os.Open(proc + "/maps")
	if err != nil {
		return
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		fields := strings.Fields(lines.Text()) // proc(5): the addresses, modes, offset, device, inode
		if len(fields) < 6 {
			continue
		}
		inode, err := strconv.ParseUint(fields[4], 10, 64)
		id, ok := s.inodes[inode]
		if err != nil || inode == 0 || !ok || held[id] {
			continue
		}
		from, to, _ := strings.Cut(fields[0], "-")
		if isForWriting(proc + "/map_files/" + withoutZeros(from) + "-" + withoutZeros(to)) {
			held[id] = true
		}
	}
}

// isForWriting reports whether a link below /proc is of a file that is open for writing:
// the link's own mode says so.
func isForWriting(link string) bool {
	var st unix.Stat_t
	return unix.Lstat(link, &st) == nil && st.Mode&unix.S_IFMT == unix.S_IFLNK && st.Mode&unix.S_IWUSR != 0
}

// idOfOpen says which file a link below /proc leads to. It does not wait for a server.
func idOfOpen(link string) (ID, bool) {
	var st unix.Statx_t
	if unix.Statx(unix.AT_FDCWD, link, unix.AT_STATX_DONT_SYNC|unix.AT_NO_AUTOMOUNT, unix.STATX_TYPE|unix.STATX_INO, &st) != nil ||
		st.Mode&unix.S_IFMT != unix.S_IFREG {
		return ID{}, false
	}
	return ID{Dev: unix.Mkdev(st.Dev_major, st.Dev_minor), Inode: st.Ino}, true
}

func programOf(proc string) string {
	name, err := os.ReadFile(proc + "/comm")
	if err != nil {
		return ""
	}
	return strings.TrimSuffix(string(name), "\n")
}

// numbersIn returns the entries of a directory that are numbers.
func numbersIn(dir string) (numbers []int) {
	d, err := os.Open(dir)
	if err != nil {
		return nil
	}
	defer d.Close()
	names, _ := d.Readdirnames(-1)
	for _, name := range names {
		if n, err := strconv.Atoi(name); err == nil {
			numbers = append(numbers, n)
		}
	}
	return numbers
}

func withoutZeros(address string) string {
	if s := strings.TrimLeft(address, "0"); s != "" {
		return s
	}
	return "0"
}
