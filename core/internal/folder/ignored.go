// SPDX-License-Identifier: MIT

package folder

import "strings"

// Ignore is a kind of names that are never plugins: temporary, backup, lock and hidden
// files.
type Ignore struct {
	Pattern string // for people, as docs/folders.md has it
	Example string
	Origin  string // the programs that make such files
	is      func(name string) bool
}

// Ignores are all kinds. docs/folders.md lists them.
var Ignores = []Ignore{
	{".*", ".echo.so.swp", "hidden files; among them Vim's and nano's swap files (.x.swp), locks of Emacs (.#x) and LibreOffice (.~lock.x#), " +
		"files that rsync (.x.AbCdEf), GLib (.goutputstream-AbCdEf), Syncthing and mold (.mold-AbCdEf) write, Kubernetes' ..data, NFS's .nfs0001, macOS's ._x",
		prefix(".")},
	{"*~", "echo.so~", "backups of Emacs, Vim, gedit, Kate and nano", suffix("~")},
	{"#*#", "#echo.so#", "auto-save files of Emacs", func(name string) bool {
		return len(name) > 2 && name[0] == '#' && name[len(name)-1] == '#'
	}},
	{"~*", "~$echo.so", "owner files of Microsoft Office (~$x), what pip moves away (~ame)", prefix("~")},
	{"4913, 5036, 5159, 5282", "4913", "Vim's test whether the directory can be written", func(name string) bool {
		return name == "4913" || name == "5036" || name == "5159" || name == "5282"
	}},
	{"*.swp, *.swo, *.swn, *.swx", "echo.swp", "swap files of Vim where names cannot be hidden", suffix(".swp", ".swo", ".swn", ".swx")},
	{"*___jb_tmp___, *___jb_old___, *___jb_bak___", "echo.so___jb_tmp___", "JetBrains' editors", suffix("___jb_tmp___", "___jb_old___", "___jb_bak___")},
	{"*.vsctmp", "echo.so.vsctmp", "Visual Studio Code", suffix(".vsctmp")},
	{"*.tmp, *.temp", "echo.so.tmp", "temporary files of many programs", suffix(".tmp", ".temp")},
	{"*.tmp0a1b2c3, *.tmp.*, *.tmp-*, *.tmp_*", "echo.so.tmp0a1b2c3", "LLVM's linker before it renames its output (.tmp and seven hexadecimal digits); ccache and others", isTemporary},
	{"*.bak", "echo.so.bak", "backups of sed -i.bak, Notepad++ and many programs", suffix(".bak")},
	{"*.orig, *.rej", "echo.so.orig", "patch, Git and Mercurial", suffix(".orig", ".rej")},
	{"*.lock, *.lck", "echo.so.lock", "locks of Git and many programs", suffix(".lock", ".lck")},
	{"*.part, *.partial, *.filepart", "echo.so.part", "downloads that are not complete: Firefox, KDE, pacman; Edge; WinSCP", suffix(".part", ".partial", ".filepart")},
	{"*.crdownload, *.download, *.opdownload, *.aria2", "echo.so.crdownload", "downloads that are not complete: Chrome, Safari, Opera, aria2", suffix(".crdownload", ".download", ".opdownload", ".aria2")},
	{"*.dpkg-*", "echo.so.dpkg-new", "dpkg while it unpacks (.dpkg-new, .dpkg-tmp), and what it leaves (.dpkg-old, .dpkg-dist, .dpkg-bak)", lastPart(".dpkg-")},
	{"*.ucf-*", "echo.so.ucf-dist", "Debian's ucf", lastPart(".ucf-")},
	{"*.rpmnew, *.rpmsave, *.rpmorig", "echo.so.rpmnew", "what RPM leaves", suffix(".rpmnew", ".rpmsave", ".rpmorig")},
	{"*;0a1b2c3d", "echo.so;65f1c2aa", "RPM while it unpacks: a semicolon and eight hexadecimal digits", func(name string) bool {
		i := strings.LastIndexByte(name, ';')
		return i > 0 && len(name)-i == 9 && all(name[i+1:], isHex)
	}},
	{"*.pacnew, *.pacsave, *.pacorig", "echo.so.pacnew", "what pacman leaves", suffix(".pacnew", ".pacsave", ".pacorig")},
	{"*.apk-new", "echo.so.apk-new", "what Alpine's apk leaves", suffix(".apk-new")},
	{"*.AbCdEf", "echo.so.kXyzAb", "Qt's QSaveFile and GLib's g_file_set_contents(): a dot and six characters at random, with capital and small letters among them", isSaved},
	{"stAbCdEf, sedAbCdEf", "stA1b2C3", "strip and objcopy of GNU; sed -i: six characters at random, with a digit or a capital among them", func(name string) bool {
		for _, p := range []string{"st", "sed"} {
			if rest, ok := strings.CutPrefix(name, p); ok && len(rest) == 6 && all(rest, isAlphanumeric) && some(rest, func(c byte) bool { return !isSmall(c) }) {
				return true
			}
		}
		return false
	}},
	{"*.pyc.1234", "echo.cpython-313.pyc.140187234", "Python while it compiles a module", func(name string) bool {
		i := strings.LastIndex(name, ".pyc.")
		return i >= 0 && len(name) > i+5 && all(name[i+5:], isDigit)
	}},
}

// Ignored returns why a name is never a plugin; nil if it may be one.
func Ignored(name string) *Ignore {
	for i := range Ignores {
		if Ignores[i].is(name) {
			return &Ignores[i]
		}
	}
	return nil
}

func prefix(p string) func(string) bool {
	return func(name string) bool { return strings.HasPrefix(name, p) }
}

// suffix is for names that end so, in any case, and have something before that.
func suffix(endings ...string) func(string) bool {
	return func(name string) bool {
		for _, s := range endings {
			if len(name) > len(s) && strings.EqualFold(name[len(name)-len(s):], s) {
				return true
			}
		}
		return false
	}
}

// lastPart is for names whose last extension begins so.
func lastPart(p string) func(string) bool {
	return func(name string) bool {
		i := strings.LastIndexByte(name, '.')
		return i > 0 && strings.HasPrefix(name[i:], p)
	}
}

func isTemporary(name string) bool {
	i := strings.LastIndex(name, ".tmp")
	if i <= 0 || len(name) == i+4 {
		return false
	}
	rest := name[i+4:]
	return strings.IndexByte("._-", rest[0]) >= 0 || len(rest) >= 5 && all(rest, isHex)
}

func isSaved(name string) bool {
	i := strings.LastIndexByte(name, '.')
	if i <= 0 || len(name)-i != 7 {
		return false
	}
	end := name[i+1:]
	return all(end, isAlphanumeric) && some(end, isSmall) && some(end, isCapital)
}

func isDigit(c byte) bool        { return '0' <= c && c <= '9' }
func isSmall(c byte) bool        { return 'a' <= c && c <= 'z' }
func isCapital(c byte) bool      { return 'A' <= c && c <= 'Z' }
func isAlphanumeric(c byte) bool { return isDigit(c) || isSmall(c) || isCapital(c) }
func isHex(c byte) bool          { return isDigit(c) || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F' }

func all(s string, is func(byte) bool) bool {
	for i := range len(s) {
		if !is(s[i]) {
			return false
		}
	}
	return true
}

func some(s string, is func(byte) bool) bool {
	for i := range len(s) {
		if is(s[i]) {
			return true
		}
	}
	return false
}
