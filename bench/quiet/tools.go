// SPDX-License-Identifier: MIT

//go:build linux

package main

// source makes a plugin of a realistic kind, once: some thousand functions, and
// $SIZE megabytes of data.
const source = `
i=0
while [ $i -lt 1500 ]; do
	echo "int f$i(int x) { static int n[200]; return n[x % 200] += x * $i; }"
	i=$((i + 1))
done > plugin.c
echo "__asm__(\".pushsection .rodata; .fill $((SIZE * 131072)), 8, 0x1234567890; .popsection\");" >> plugin.c
cc -g -O1 -fPIC -c plugin.c -o plugin.o
cc -shared plugin.o -o new.so
`

// before each run: sources in $S, an earlier build in place.
const before = `
mkdir "$D"
cd "$S"
cp new.so "$T"
`

var tools = []tool{
	{name: "gcc, ld.bfd", needs: []string{"gcc", "ld.bfd"}, run: `gcc -shared -fuse-ld=bfd plugin.o -o "$T"`},
	{name: "gcc, gold", needs: []string{"gcc", "ld.gold"}, run: `gcc -shared -fuse-ld=gold plugin.o -o "$T"`},
	{name: "gcc, lld", needs: []string{"gcc", "ld.lld"}, run: `gcc -shared -fuse-ld=lld plugin.o -o "$T"`},
	{name: "gcc, mold", needs: []string{"gcc", "mold"}, run: `gcc -shared -fuse-ld=mold plugin.o -o "$T"`},
	{name: "gcc, then strip", needs: []string{"gcc", "strip"}, run: `gcc -shared plugin.o -o "$T"; strip "$T"`},
	{name: "gcc, then objcopy (debug link) and strip", needs: []string{"gcc", "objcopy"},
		run: `gcc -shared plugin.o -o "$T"; objcopy --only-keep-debug "$T" plugin.debug; strip --strip-debug "$T"; objcopy --add-gnu-debuglink=plugin.debug "$T"`},
	{name: "gcc, then patchelf", needs: []string{"gcc", "patchelf"}, run: `gcc -shared plugin.o -o "$T"; patchelf --set-rpath '$ORIGIN' "$T"`},
	{name: "gcc, then a signature appended (openssl)", needs: []string{"gcc", "openssl"},
		setup: `openssl genrsa -out key.pem 2048 2>/dev/null`,
		run:   `gcc -shared plugin.o -o "$T"; openssl dgst -sha256 -sign key.pem -out plugin.sig "$T"; cat plugin.sig >> "$T"`},
	{name: "ninja, link and strip in one rule", needs: []string{"gcc", "ninja", "strip"},
		setup: `printf 'rule so\n command = gcc -shared $in -o $out && strip $out\nbuild %s: so plugin.o\n' "$T" > build.ninja; touch plugin.o`,
		run:   `ninja -v`},
	{name: "cmake + ninja with a post-build step", needs: []string{"cmake", "ninja", "strip"},
		setup: cmakeProject + `cmake -G Ninja -S . -B build; cmake --build build; sed -i 's/200]/201]/' plugin.c`,
		run:   `cmake --build "$S/build"`},
	{name: "cmake + make with a post-build step", needs: []string{"cmake", "make", "strip"},
		setup: cmakeProject + `cmake -G 'Unix Makefiles' -S . -B build; cmake --build build; sed -i 's/200]/201]/' plugin.c`,
		run:   `cmake --build "$S/build"`},
	{name: "cmake --install (RPATH edited)", needs: []string{"cmake", "ninja"},
		setup: cmakeProject + `cmake -G Ninja -S . -B build -DOUT="$S"; cmake --build build`,
		run:   `cmake --install "$S/build" --prefix "$S"`},
	{name: "cmake --install --strip", needs: []string{"cmake", "ninja", "strip"},
		setup: cmakeProject + `cmake -G Ninja -S . -B build -DOUT="$S"; cmake --build build`,
		run:   `cmake --install "$S/build" --prefix "$S" --strip`},
	{name: "go build -buildmode=c-shared", needs: []string{"go"},
		setup: `mkdir m; printf 'module m\ngo 1.24\n' > m/go.mod; printf 'package main\nimport "C"\n//export Answer\nfunc Answer() int32 { return 42 }\nfunc main() {}\n' > m/m.go
			(cd m && go build -buildmode=c-shared -o "$S/warm.so" .)`,
		run: `cd "$S/m"; go build -buildmode=c-shared -o "$T" .`},
	{name: "cp", run: `cp "$S/new.so" "$T"`},
	{name: "cp --remove-destination", run: `cp --remove-destination "$S/new.so" "$T"`},
	{name: "cp -p", run: `cp -p "$S/new.so" "$T"`},
	{name: "install", needs: []string{"install"}, run: `install "$S/new.so" "$T"`},
	{name: "install -s", needs: []string{"install", "strip"}, run: `install -s "$S/new.so" "$T"`},
	{name: "ln -f", setup: `cp new.so "$D/other"`, run: `ln -f "$D/other" "$T"`},
	{name: "mv within the file system", setup: `cp new.so "$D/other"`, run: `mv "$D/other" "$T"`},
	{name: "mv from another file system", setup: `cp new.so /dev/shm/quiet-other.so`, run: `mv /dev/shm/quiet-other.so "$T"`},
	{name: "cat > file", run: `cat "$S/new.so" > "$T"`},
	{name: "dd, 4 KiB blocks", needs: []string{"dd"}, run: `dd if="$S/new.so" of="$T" bs=4k status=none`},
	{name: "tar -x", needs: []string{"tar"}, setup: `cp new.so plugin.so; tar -cf a.tar plugin.so`, run: `tar -xf "$S/a.tar" -C "$D"`},
	{name: "unzip by Python", needs: []string{"python3"}, setup: `cp new.so plugin.so; python3 -m zipfile -c a.zip plugin.so`, run: `python3 -m zipfile -e "$S/a.zip" "$D"`},
	{name: "rsync", needs: []string{"rsync"}, setup: `cp new.so plugin.so; touch plugin.so`, run: `rsync -a --ignore-times "$S/plugin.so" "$D/"`},
	{name: "rsync --inplace", needs: []string{"rsync"}, setup: `cp new.so plugin.so; touch plugin.so`, run: `rsync -a --ignore-times --inplace "$S/plugin.so" "$D/"`},
	{name: "rsync --inplace --no-whole-file", needs: []string{"rsync"}, setup: `strip new.so -o plugin.so`, run: `rsync -a --ignore-times --inplace --no-whole-file "$S/plugin.so" "$D/"`},
	{name: "dpkg -i", needs: []string{"dpkg", "dpkg-deb"},
		setup: `mkdir -p pkg/DEBIAN "pkg/$D" db/updates db/info; : > db/status; cp new.so "pkg/$T"
			printf 'Package: quiet-plugin\nVersion: 1\nArchitecture: all\nMaintainer: nobody <nobody@localhost>\nDescription: a plugin\n' > pkg/DEBIAN/control
			dpkg-deb --build pkg p.deb`,
		run: `dpkg --admindir="$S/db" --force-all --log=/dev/null -i "$S/p.deb"`},
	{name: "pip install (upgrade)", needs: []string{"python3"},
		setup: pipProject + `python3 wheel.py 1; python3 wheel.py 2; rm "$T"
			python3 -m pip install --quiet --no-index --no-deps --target "$D" quietplugin-1-py3-none-any.whl`,
		run: `python3 -m pip install --quiet --no-index --no-deps --upgrade --target "$D" quietplugin-2-py3-none-any.whl`},
	{name: "git checkout", needs: []string{"git"},
		setup: `cd "$D"; git init -q -b one .; git add .; git -c user.name=a -c user.email=a@b commit -qm one
			git checkout -q -b two; strip "$T"; git add .; git -c user.name=a -c user.email=a@b commit -qm two; git checkout -q one`,
		run: `cd "$D"; git checkout -q two`},
	{name: "sed -i", needs: []string{"sed"}, setup: script, run: `sed -i s/1/2/ "$T"`},
	{name: "vim, :wq", needs: []string{"vim.tiny"}, setup: script, run: `vim.tiny -es -u NONE -c '%s/1/2/' -c wq "$T"`},
	{name: "vim, :wq with backup", needs: []string{"vim.tiny"}, setup: script, run: `vim.tiny -es -u NONE -c 'set backup writebackup backupcopy=no' -c '%s/1/2/' -c wq "$T"`},
	{name: "atomic save (temporary file, fsync, rename)", needs: []string{"python3"}, setup: script,
		run: `python3 -c 'import os,sys
t = os.environ["T"]
with open(t + "~", "w") as f: f.write("answer = 2\n"); f.flush(); os.fsync(f.fileno())
os.replace(t + "~", t)'`},
	{name: "Python, write() in place", needs: []string{"python3"}, setup: script,
		run: `python3 -c 'import os
with open(os.environ["T"], "w") as f: f.write("answer = 2\n" * 100000)'`},
}

// cmakeProject links a plugin and strips it in a step of its own; its RPATH
// must be edited when it is installed.
const cmakeProject = `
cat > CMakeLists.txt <<'END'
cmake_minimum_required(VERSION 3.16)
project(p C)
add_library(dep SHARED dep.c)
add_library(plugin MODULE plugin.c)
target_link_libraries(plugin PRIVATE dep)
set_target_properties(plugin PROPERTIES PREFIX "" INSTALL_RPATH "$ORIGIN/../lib")
if(NOT DEFINED OUT)
  set_target_properties(plugin PROPERTIES LIBRARY_OUTPUT_DIRECTORY "$ENV{D}")
  add_custom_command(TARGET plugin POST_BUILD COMMAND strip $<TARGET_FILE:plugin>)
endif()
install(TARGETS plugin DESTINATION "$ENV{D}")
END
echo 'int dep(void) { return 1; }' > dep.c
`

// pipProject makes wheels of one library without a build system.
const pipProject = `
cat > wheel.py <<'END'
import sys, zipfile
v = sys.argv[1]
with zipfile.ZipFile(f"quietplugin-{v}-py3-none-any.whl", "w") as z:
    z.write("new.so", "plugin.so")
    z.writestr(f"quietplugin-{v}.dist-info/METADATA", f"Metadata-Version: 2.1\nName: quietplugin\nVersion: {v}\n")
    z.writestr(f"quietplugin-{v}.dist-info/WHEEL", "Wheel-Version: 1.0\nGenerator: x\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
    z.writestr(f"quietplugin-{v}.dist-info/RECORD", "")
END
`

const script = `yes 'answer = 1' | head -2000 > "$T"
`
