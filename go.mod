module github.com/qtforge/hotreload

go 1.26.0

require (
	github.com/bmatcuk/doublestar/v4 v4.10.4
	github.com/fsnotify/fsnotify v1.10.1
	golang.org/x/sys v0.49.0
)

require (
	github.com/jedisct1/go-minisign v0.0.0-20260527172527-a09352b57a22
	github.com/mattn/go-pointer v0.0.1
)

require (
	github.com/cockroachdb/datadriven v1.0.3
	github.com/hanwen/go-fuse/v2 v2.12.1
	golang.org/x/crypto v0.52.0
)

require github.com/pmezard/go-difflib v1.0.0 // indirect
