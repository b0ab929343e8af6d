// SPDX-License-Identifier: MIT

// Package table is what must be compact for 100,000 plugins: a hash table of
// pointers that holds no keys.
//
// A Go map from a string to a pointer takes about 35 bytes an entry beside the
// string; this table takes about 12, because it finds the key in what it points to.
// The engine has one by plugin id, and the watch set one by file name for each
// large directory, so that it saves about 45 bytes a plugin of the 200 that a
// plugin may take. BenchmarkMemory shows it.
package table
