//go:build !linux

package core

import "os"

func reflink(dst, src *os.File) bool { return false }
func noexec(dir string) bool         { return false }
