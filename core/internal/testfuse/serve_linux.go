// SPDX-License-Identifier: MIT

package testfuse

import (
	"strings"
	"time"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
)

// Options say how the file system differs from the directory that it shows.
type Options struct {
	// Drift is after how long every file gets another inode number; 0: never.
	Drift time.Duration
	// IgnoreCase makes all names lower case, as old FAT does: A and a are one file. The
	// directory has lower-case names only.
	IgnoreCase bool
}

// Serve mounts a file system that shows source at mountPoint, and serves it until
// [fuse.Server.Unmount]. It needs the right to mount.
func Serve(source, mountPoint string, o Options) (*fuse.Server, error) {
	root, err := fs.NewLoopbackRoot(source)
	if err != nil {
		return nil, err
	}
	// Nothing is cached: the kernel asks for every name and for all attributes each time.
	f := &fileSystem{RawFileSystem: fs.NewNodeFS(root, &fs.Options{}), options: o, begun: time.Now()}
	server, err := fuse.NewServer(f, mountPoint, &fuse.MountOptions{Name: "hotreload", AllowOther: true, DirectMountStrict: true,
		DisableReadDirPlus: true, Options: []string{"default_permissions"}})
	if err != nil {
		return nil, err
	}
	go server.Serve()
	return server, server.WaitMount()
}

// fileSystem changes the names and the inode numbers on their way to and from a loopback
// file system.
type fileSystem struct {
	fuse.RawFileSystem
	options Options
	begun   time.Time
}

// drift gives a file the inode number that it has at present.
func (f *fileSystem) drift(a *fuse.Attr) {
	if f.options.Drift > 0 {
		a.Ino += uint64(time.Since(f.begun)/f.options.Drift) << 40
	}
}

func (f *fileSystem) name(s string) string {
	if f.options.IgnoreCase {
		return strings.ToLower(s)
	}
	return s
}

func (f *fileSystem) Lookup(cancel <-chan struct{}, in *fuse.InHeader, name string, out *fuse.EntryOut) fuse.Status {
	defer f.drift(&out.Attr)
	return f.RawFileSystem.Lookup(cancel, in, f.name(name), out)
}

func (f *fileSystem) GetAttr(cancel <-chan struct{}, in *fuse.GetAttrIn, out *fuse.AttrOut) fuse.Status {
	defer f.drift(&out.Attr)
	return f.RawFileSystem.GetAttr(cancel, in, out)
}

func (f *fileSystem) SetAttr(cancel <-chan struct{}, in *fuse.SetAttrIn, out *fuse.AttrOut) fuse.Status {
	defer f.drift(&out.Attr)
	return f.RawFileSystem.SetAttr(cancel, in, out)
}

// Statx is not served: the kernel asks for the attributes instead.
func (f *fileSystem) Statx(<-chan struct{}, *fuse.StatxIn, *fuse.StatxOut) fuse.Status {
	return fuse.ENOSYS
}

func (f *fileSystem) Mkdir(cancel <-chan struct{}, in *fuse.MkdirIn, name string, out *fuse.EntryOut) fuse.Status {
	defer f.drift(&out.Attr)
	return f.RawFileSystem.Mkdir(cancel, in, f.name(name), out)
}

func (f *fileSystem) Symlink(cancel <-chan struct{}, in *fuse.InHeader, target, name string, out *fuse.EntryOut) fuse.Status {
	defer f.drift(&out.Attr)
	return f.RawFileSystem.Symlink(cancel, in, target, f.name(name), out)
}

func (f *fileSystem) Link(cancel <-chan struct{}, in *fuse.LinkIn, name string, out *fuse.EntryOut) fuse.Status {
	defer f.drift(&out.Attr)
	return f.RawFileSystem.Link(cancel, in, f.name(name), out)
}

func (f *fileSystem) Create(cancel <-chan struct{}, in *fuse.CreateIn, name string, out *fuse.CreateOut) fuse.Status {
	defer f.drift(&out.Attr)
	return f.RawFileSystem.Create(cancel, in, f.name(name), out)
}

func (f *fileSystem) Unlink(cancel <-chan struct{}, in *fuse.InHeader, name string) fuse.Status {
	return f.RawFileSystem.Unlink(cancel, in, f.name(name))
}

func (f *fileSystem) Rmdir(cancel <-chan struct{}, in *fuse.InHeader, name string) fuse.Status {
	return f.RawFileSystem.Rmdir(cancel, in, f.name(name))
}

func (f *fileSystem) Rename(cancel <-chan struct{}, in *fuse.RenameIn, from, to string) fuse.Status {
	return f.RawFileSystem.Rename(cancel, in, f.name(from), f.name(to))
}
