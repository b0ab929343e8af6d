# SPDX-License-Identifier: MIT
# An overlay port that builds the checkout it lies in; Go must be installed:
#   vcpkg install hotreload --overlay-ports=capi/packaging/vcpkg
get_filename_component(SOURCE_PATH "${CMAKE_CURRENT_LIST_DIR}/../../../.." ABSOLUTE)

string(COMPARE EQUAL "${VCPKG_LIBRARY_LINKAGE}" "static" static)
vcpkg_check_features(OUT_FEATURE_OPTIONS features FEATURES qt HOTRELOAD_BUILD_QT)
vcpkg_cmake_configure(
    SOURCE_PATH "${SOURCE_PATH}"
    OPTIONS
        ${features}
        -DHOTRELOAD_STATIC=${static}
        -DHOTRELOAD_BUILD_TESTS=OFF
        -DHOTRELOAD_BUILD_EXAMPLES=OFF)
vcpkg_cmake_install()
vcpkg_cmake_config_fixup(PACKAGE_NAME HotReload CONFIG_PATH lib/cmake/HotReload)
vcpkg_fixup_pkgconfig()
file(REMOVE_RECURSE "${CURRENT_PACKAGES_DIR}/debug/include" "${CURRENT_PACKAGES_DIR}/debug/share")
vcpkg_install_copyright(FILE_LIST "${SOURCE_PATH}/LICENSE" "${SOURCE_PATH}/docs/THIRD_PARTY_LICENSES")
