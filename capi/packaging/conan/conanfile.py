# SPDX-License-Identifier: MIT
"""Conan recipe; build it with `conan create capi/packaging/conan` from a checkout."""

import os
import re

from conan import ConanFile
from conan.errors import ConanInvalidConfiguration
from conan.tools.cmake import CMake, CMakeToolchain, cmake_layout
from conan.tools.files import copy, load

PARTS = ("go.mod", "go.sum", "LICENSE", "docs/THIRD_PARTY_LICENSES", "CHANGELOG.md", "CMakeLists.txt", "core/*", "capi/*", "include/*")


class HotReloadConan(ConanFile):
    name = "hotreload"
    description = "Plugin hot reload: told once per completed change, never about a half-written file"
    license = "MIT AND BSD-3-Clause"  # ours, and what is in the library
    topics = ("plugin", "hot-reload", "file-watcher", "qt")
    package_type = "library"
    settings = "os", "arch", "compiler", "build_type"
    options = {"shared": [True, False]}
    default_options = {"shared": True}

    def set_version(self):
        header = os.path.join(self.recipe_folder, "..", "..", "..", "include", "hot_reload_manager.h")
        self.version = re.search(r'HRM_VERSION_STRING "(.*)"', load(self, header)).group(1)

    def export_sources(self):
        root = os.path.join(self.recipe_folder, "..", "..", "..")
        for part in PARTS:
            copy(self, part, root, self.export_sources_folder, excludes=("*/__pycache__/*", "capi/tests/*"))

    def configure(self):
        self.settings.rm_safe("compiler.cppstd")
        self.settings.rm_safe("compiler.libcxx")

    def validate(self):
        if self.settings.os not in ("Linux", "Macos", "Windows"):
            raise ConanInvalidConfiguration(f"hotreload supports Linux, macOS and Windows, not {self.settings.os}")

    def layout(self):
        cmake_layout(self)

    def generate(self):
        toolchain = CMakeToolchain(self)
        toolchain.cache_variables["HOTRELOAD_STATIC"] = not self.options.shared
        for part in ("QT", "TESTS", "EXAMPLES"):
            toolchain.cache_variables[f"HOTRELOAD_BUILD_{part}"] = False
        toolchain.generate()

    def build(self):
        cmake = CMake(self)
        cmake.configure()
        cmake.build()

    def package(self):
        for licence in ("LICENSE", "docs/THIRD_PARTY_LICENSES"):
            copy(self, licence, self.source_folder, os.path.join(self.package_folder, "licenses"), keep_path=False)
        CMake(self).install()

    def package_info(self):
        self.cpp_info.libs = ["hotreload"]
        self.cpp_info.set_property("cmake_file_name", "HotReload")
        self.cpp_info.set_property("cmake_target_name", "HotReload::hotreload")
        self.cpp_info.set_property("pkg_config_name", "hotreload")
        if not self.options.shared:
            self.cpp_info.defines = ["HRM_STATIC"]
            if self.settings.os == "Linux":
                self.cpp_info.system_libs = ["pthread"]
                # Go's runtime cannot be unloaded, nor can a plugin that it is a part of.
                self.cpp_info.sharedlinkflags = ["-Wl,-z,nodelete"]
