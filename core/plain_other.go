//go:build !linux

package core

// probePlain is lstat and the probe, which follows links.
func probePlain(path string) (fileInfo, verdict) {
	in, err := osDisk{}.lstat(path)
	if err != nil || in.kind != kindFile {
		return fileInfo{}, unknown
	}
	v, probed := probeWriter(path)
	if probed.fp != in.fp {
		return fileInfo{}, unknown
	}
	return probed, v
}
