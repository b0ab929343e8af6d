// SPDX-License-Identifier: MIT

package engine

// Signatures that minisign 0.11 made of "plugin v1\n".
const (
	signedText = "plugin v1\n"
	keyText    = "untrusted comment: minisign public key BBD727A961ACD658\nRWRY1qxhqSfXu7Ebo7jfHoIDpyvwhoBsqEOfuiAbfX3QOauqkjbTH3dR\n"
	otherKey   = "RWStPtZVUyIEzJH/A9YIvL+9rncdPQ/5MAYxjYv3J4pqQswed6/GL7C9"
	prehashed  = `untrusted comment: signature from minisign secret key
RURY1qxhqSfXuw1FyMVkF+fmfcADlPE9jfoNofKvA0vCd4dkmw7KV/nM3KRKdfkxyKMcl4/1nTZc5pKYo1RpcImGr4DjEFgJiw0=
trusted comment: plugin 1
jFeMX1z11nHDqj+6X/qNR4sWERfUNdjZZeAtZjvVW3ZsfFQyCQb8O3TtTVZFWo7qJz4r/3Q/JO2At5ijxt/XBw==
`
	legacy = `untrusted comment: signature from minisign secret key
RWRY1qxhqSfXu4YQKidl0le8htT5l3py8w3mYP7nek116nIyrt4Za9OOl3GnGofJIKy6/k/5Gp6a5fyUJlpYuipPRmMnMZULwQM=
trusted comment: plugin 1 legacy
dw7Oz4IFGkM2GnWnFWgdoRjXZwoN5SbeBJVOEfBwX5U9eJJ1x7RfhHQ/1lKpGy3XXeBz6XQHPvnWCFBrkRugBw==
`
)
