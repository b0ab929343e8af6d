# SPDX-License-Identifier: MIT
# `cpack -G DEB` makes libhotreload1, libhotreload-dev and, with Qt, the same two
# for libhotreload-qtplugin. Configure with -DCMAKE_INSTALL_PREFIX=/usr for the
# distribution's library directory.
# Who makes a binary package is its maintainer; Debian's own tools look for the name here.
set(packager "libhotreload packagers <packagers@localhost>")
if(NOT "$ENV{DEBEMAIL}" STREQUAL "")
    set(packager "$ENV{DEBFULLNAME} <$ENV{DEBEMAIL}>")
endif()
set(HOTRELOAD_MAINTAINER "${packager}" CACHE STRING "Maintainer of the binary packages")
set(name "libhotreload")
set(major "${PROJECT_VERSION_MAJOR}")

set(CPACK_PACKAGE_NAME hotreload)
set(CPACK_PACKAGE_VENDOR QtForge)
set(CPACK_PACKAGE_CONTACT "${HOTRELOAD_MAINTAINER}")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "${PROJECT_DESCRIPTION}")
set(CPACK_PACKAGE_DESCRIPTION "A host registers the file of a plugin.\
 The library delivers every completed change of this file exactly once. It never delivers a half-written file.\
 It delivers on the thread that the host chose.")
# Everybody who gets a package gets the terms of all that is in it.
file(READ LICENSE ours)
file(READ docs/THIRD_PARTY_LICENSES others)
file(CONFIGURE OUTPUT copyright @ONLY CONTENT "@ours@\n\n@others@")
set(CPACK_RESOURCE_FILE_LICENSE "${CMAKE_CURRENT_BINARY_DIR}/copyright")
# -DCMAKE_BUILD_TYPE=RelWithDebInfo keeps the debug information, and puts it into packages of its own.
if(CMAKE_BUILD_TYPE STREQUAL "RelWithDebInfo" OR CMAKE_BUILD_TYPE STREQUAL "Debug")
    set(CPACK_DEBIAN_DEBUGINFO_PACKAGE ON)
else()
    set(CPACK_STRIP_FILES ON)
endif()
set(CPACK_PRE_BUILD_SCRIPTS "${CMAKE_CURRENT_LIST_DIR}/PackageDirectories.cmake")
set(CPACK_VERBATIM_VARIABLES ON)
set(CPACK_COMPONENTS_ALL devel)
if(NOT HOTRELOAD_STATIC)
    list(APPEND CPACK_COMPONENTS_ALL runtime)
    set(needs "${name}${major} (= ${PROJECT_VERSION})")
endif()
if(HOTRELOAD_BUILD_QT)
    list(APPEND CPACK_COMPONENTS_ALL qt-runtime qt-devel)
endif()

set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION libs)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS_PRIVATE_DIRS "${library_dir}")
set(CPACK_DEBIAN_PACKAGE_GENERATE_SHLIBS ON)
set(CPACK_DEBIAN_PACKAGE_GENERATE_SHLIBS_POLICY ">=")
# Debian's description is the summary and these lines.
string(REPLACE ". " ".\n" what_it_is "${CPACK_PACKAGE_DESCRIPTION}")
set(CPACK_DEBIAN_RUNTIME_DESCRIPTION "${what_it_is}\nThis package has the C library.")
set(CPACK_DEBIAN_DEVEL_DESCRIPTION
    "${what_it_is}\nThis package has the headers, the manual pages,\nand files for pkg-config and CMake.")
set(CPACK_DEBIAN_QT-RUNTIME_DESCRIPTION "${what_it_is}\nThis package has the library for Qt.")
set(CPACK_DEBIAN_QT-DEVEL_DESCRIPTION "${what_it_is}\nThis package has the headers of the library for Qt.")
# The dynamic linker's cache is renewed once for all packages of a run.
set(triggers "${CMAKE_CURRENT_BINARY_DIR}/triggers")
file(WRITE "${triggers}" "activate-noawait ldconfig\n")
file(CHMOD "${triggers}" FILE_PERMISSIONS OWNER_READ OWNER_WRITE GROUP_READ WORLD_READ) # whatever the umask
set(CPACK_DEBIAN_RUNTIME_PACKAGE_CONTROL_EXTRA "${triggers}")
set(CPACK_DEBIAN_QT-RUNTIME_PACKAGE_CONTROL_EXTRA "${triggers}")
set(CPACK_DEBIAN_RUNTIME_PACKAGE_NAME "${name}${major}")
set(CPACK_DEBIAN_DEVEL_PACKAGE_NAME "${name}-dev")
set(CPACK_DEBIAN_DEVEL_PACKAGE_SECTION libdevel)
set(CPACK_DEBIAN_DEVEL_PACKAGE_DEPENDS "${needs}")
set(CPACK_DEBIAN_QT-RUNTIME_PACKAGE_NAME "${name}-qtplugin${major}")
set(CPACK_DEBIAN_QT-RUNTIME_PACKAGE_DEPENDS "${needs}")
set(CPACK_DEBIAN_QT-DEVEL_PACKAGE_NAME "${name}-qtplugin-dev")
set(CPACK_DEBIAN_QT-DEVEL_PACKAGE_SECTION libdevel)
set(CPACK_DEBIAN_QT-DEVEL_PACKAGE_DEPENDS
    "${name}-dev (= ${PROJECT_VERSION}), ${name}-qtplugin${major} (= ${PROJECT_VERSION})")
if(QT_VERSION_MAJOR EQUAL 6)
    string(APPEND CPACK_DEBIAN_QT-DEVEL_PACKAGE_DEPENDS ", qt6-base-dev")
elseif(QT_VERSION_MAJOR EQUAL 5)
    string(APPEND CPACK_DEBIAN_QT-DEVEL_PACKAGE_DEPENDS ", qtbase5-dev")
endif()
# The newest entry of Debian's own list of changes.
string(TIMESTAMP date "%a, %d %b %Y %H:%M:%S +0000" UTC) # SOURCE_DATE_EPOCH is honoured
file(CONFIGURE OUTPUT changelog @ONLY CONTENT "libhotreload (@PROJECT_VERSION@) unstable; urgency=medium

  * Version @PROJECT_VERSION@; CHANGELOG.md has the details.

 -- @HOTRELOAD_MAINTAINER@  @date@
")
# Debian's places for these, in every package.
foreach(package runtime=${name}${major} devel=${name}-dev qt-runtime=${name}-qtplugin${major} qt-devel=${name}-qtplugin-dev)
    string(REGEX MATCH "^(.*)=(.*)$" package "${package}")
    if(CMAKE_MATCH_1 IN_LIST CPACK_COMPONENTS_ALL)
        install(FILES "${CMAKE_CURRENT_BINARY_DIR}/copyright" "${CMAKE_CURRENT_BINARY_DIR}/changelog"
            DESTINATION "${CMAKE_INSTALL_DATAROOTDIR}/doc/${CMAKE_MATCH_2}" COMPONENT "${CMAKE_MATCH_1}" EXCLUDE_FROM_ALL)
    endif()
endforeach()
include(CPack)
