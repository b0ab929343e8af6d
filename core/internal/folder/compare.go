// SPDX-License-Identifier: MIT

package folder

// Compare compares two listings, which are sorted: what has appeared, and what is gone.
func Compare(known, found []string) (appeared, gone []string) {
	for len(known) > 0 || len(found) > 0 {
		switch {
		case len(known) == 0 || len(found) > 0 && found[0] < known[0]:
			appeared = append(appeared, found[0])
			found = found[1:]
		case len(found) == 0 || known[0] < found[0]:
			gone = append(gone, known[0])
			known = known[1:]
		default:
			known, found = known[1:], found[1:]
		}
	}
	return appeared, gone
}
