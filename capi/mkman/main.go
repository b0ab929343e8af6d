// SPDX-License-Identifier: MIT

// Command mkman makes the manual pages of the C interface from its headers, and
// checks that the headers document every symbol.
//
//	go run ./capi/mkman -check include/*.h
//	go run ./capi/mkman -out build/man include/*.h
//
// With -out it writes DIR/man3/NAME.3 for each function, type and group of
// constants, and DIR/man7/NAME.7 for what a header says as a whole. The pages
// depend on the headers alone: the same headers give the same bytes.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
)

func main() {
	out := flag.String("out", "", "directory the pages are written to")
	check := flag.Bool("check", false, "only check that every symbol is documented")
	flag.Usage = func() {
		fmt.Fprintln(flag.CommandLine.Output(), "usage: go run ./capi/mkman -check|-out dir header...")
		flag.PrintDefaults()
	}
	flag.Parse()
	if flag.NArg() == 0 || (*out == "") != *check {
		flag.Usage()
		os.Exit(2)
	}
	if err := run(*out, flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, "mkman:", err)
		os.Exit(1)
	}
}

// run checks the headers, and writes their pages if out is not empty.
func run(out string, paths []string) error {
	var headers []*header
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		h, err := parse(filepath.Base(path), string(text))
		if err != nil {
			return err
		}
		headers = append(headers, h)
	}
	if faults := faultsOf(headers); len(faults) > 0 {
		return errors.Join(faults...)
	}
	if out == "" {
		return nil
	}
	version, err := versionOf(paths)
	if err != nil {
		return err
	}
	for name, text := range pages(headers, version) {
		path := filepath.Join(out, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			return err
		}
	}
	return nil
}

var versionLine = regexp.MustCompile(`(?m)^#define HRM_VERSION_STRING "(.*)"$`)

func versionOf(paths []string) (string, error) {
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			return "", err
		}
		if found := versionLine.FindSubmatch(text); found != nil {
			return string(found[1]), nil
		}
	}
	return "", fmt.Errorf("none of %q defines HRM_VERSION_STRING; name include/hot_reload_manager.h, too", paths)
}
