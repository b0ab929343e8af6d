# SPDX-License-Identifier: MIT
# What `cmake --install` puts where, in the components that a distribution would
# make packages of: runtime (what a program needs), devel (what its build
# needs), and both again for the Qt class.
include(CMakePackageConfigHelpers)

set(config_dir "${CMAKE_INSTALL_LIBDIR}/cmake/HotReload")

# CMake makes directories as the umask has it. Those that are new are for everybody, as the files in them:
# this notes which are not there yet, and the end of this file opens them.
set(CMAKE_INSTALL_DEFAULT_DIRECTORY_PERMISSIONS OWNER_READ OWNER_WRITE OWNER_EXECUTE
    GROUP_READ GROUP_EXECUTE WORLD_READ WORLD_EXECUTE)
string(JOIN "|" destinations "${config_dir}" "${CMAKE_INSTALL_LIBDIR}/pkgconfig" "${CMAKE_INSTALL_BINDIR}"
    "${CMAKE_INSTALL_INCLUDEDIR}/qtplugin" "${CMAKE_INSTALL_INCLUDEDIR}/hotreload-qtforge/qtplugin"
    "${CMAKE_INSTALL_LIBEXECDIR}/hotreload" "${CMAKE_INSTALL_DOCDIR}" "${CMAKE_INSTALL_MANDIR}/man3" "${CMAKE_INSTALL_MANDIR}/man7")
install(CODE "string(REPLACE | \";\" destinations [==[${destinations}]==])" ALL_COMPONENTS)
install(CODE [[
    set(new_directories)
    foreach(path IN LISTS destinations)
        if(NOT IS_ABSOLUTE "${path}")
            set(path "${CMAKE_INSTALL_PREFIX}/${path}")
        endif()
        set(path "$ENV{DESTDIR}${path}")
        while(NOT EXISTS "${path}")
            list(APPEND new_directories "${path}")
            get_filename_component(path "${path}" DIRECTORY)
        endwhile()
    endforeach()
]] ALL_COMPONENTS)
if(HOTRELOAD_STATIC)
    install(FILES "${hotreload_library}" DESTINATION "${CMAKE_INSTALL_LIBDIR}" COMPONENT devel)
elseif(WIN32)
    install(FILES "${library_dir}/${file_name}" DESTINATION "${CMAKE_INSTALL_BINDIR}" COMPONENT runtime)
    foreach(name IN LISTS import_names)
        install(FILES "${library_dir}/${name}" DESTINATION "${CMAKE_INSTALL_LIBDIR}" COMPONENT devel)
    endforeach()
else()
    set(permissions USE_SOURCE_PERMISSIONS)
    if(CMAKE_INSTALL_SO_NO_EXE) # as Debian wants it
        set(permissions FILE_PERMISSIONS OWNER_READ OWNER_WRITE GROUP_READ WORLD_READ)
    endif()
    install(DIRECTORY "${library_dir}/" DESTINATION "${CMAKE_INSTALL_LIBDIR}" ${permissions} COMPONENT runtime
        FILES_MATCHING PATTERN "libhotreload.so.*" PATTERN "libhotreload.*.dylib")
    install(DIRECTORY "${library_dir}/" DESTINATION "${CMAKE_INSTALL_LIBDIR}" COMPONENT devel
        FILES_MATCHING PATTERN "libhotreload.so" PATTERN "libhotreload.dylib")
endif()
if(TARGET hotreload_canary)
    install(TARGETS hotreload_canary RUNTIME DESTINATION "${CMAKE_INSTALL_LIBEXECDIR}/hotreload" COMPONENT runtime)
endif()
# hotreload.hpp and what it includes need no Qt.
install(FILES include/hot_reload_manager.h include/hot_reload_plugin.h include/hot_reload_canary.h
    DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}" COMPONENT devel)
install(DIRECTORY include/qtplugin DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}" COMPONENT devel
    PATTERN monitoring EXCLUDE
    PATTERN utils EXCLUDE
    REGEX "/qtplugin/hotreload/qt" EXCLUDE)

if(HOTRELOAD_BUILD_QT)
    install(TARGETS hotreload_qtplugin hotreload_qtforge hotreload_qtforge_headers EXPORT HotReloadQt
        LIBRARY DESTINATION "${CMAKE_INSTALL_LIBDIR}" COMPONENT qt-runtime NAMELINK_COMPONENT qt-devel
        RUNTIME DESTINATION "${CMAKE_INSTALL_BINDIR}" COMPONENT qt-runtime
        ARCHIVE DESTINATION "${CMAKE_INSTALL_LIBDIR}" COMPONENT qt-devel)
    install(DIRECTORY include/qtplugin/monitoring include/qtplugin/utils DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}/qtplugin"
        COMPONENT qt-devel)
    install(DIRECTORY include/qtplugin/hotreload DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}/qtplugin" COMPONENT qt-devel
        FILES_MATCHING PATTERN "qt*.hpp")
    install(DIRECTORY "${PROJECT_BINARY_DIR}/capi/qt/include/qtplugin/hotreload"
        DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}/qtplugin" COMPONENT qt-devel)
    # Without the headers that QtForge has, too; HotReload::qtforge names this directory alone.
    set(for_qtforge "${CMAKE_INSTALL_INCLUDEDIR}/hotreload-qtforge")
    install(FILES include/hot_reload_manager.h include/hot_reload_plugin.h include/hot_reload_canary.h
        DESTINATION "${for_qtforge}" COMPONENT qt-devel)
    install(FILES include/qtplugin/hotreload.hpp DESTINATION "${for_qtforge}/qtplugin" COMPONENT qt-devel)
    install(DIRECTORY include/qtplugin/hotreload "${PROJECT_BINARY_DIR}/capi/qt/include/qtplugin/hotreload"
        DESTINATION "${for_qtforge}/qtplugin" COMPONENT qt-devel)
    install(EXPORT HotReloadQt FILE HotReloadQt.cmake NAMESPACE HotReload:: DESTINATION "${config_dir}" COMPONENT qt-devel)
endif()

# make install fills in the same templates.
set(templates "${CMAKE_CURRENT_SOURCE_DIR}/capi/packaging")
set(HOTRELOAD_FILE "${CMAKE_INSTALL_LIBDIR}/${file_name}")
if(import_names)
    set(HOTRELOAD_FILE "${CMAKE_INSTALL_BINDIR}/${file_name}")
endif()
configure_package_config_file("${templates}/HotReloadConfig.cmake.in" HotReloadConfig.cmake
    INSTALL_DESTINATION "${config_dir}"
    PATH_VARS CMAKE_INSTALL_INCLUDEDIR CMAKE_INSTALL_LIBDIR HOTRELOAD_FILE
    NO_CHECK_REQUIRED_COMPONENTS_MACRO)
configure_file("${templates}/HotReloadConfigVersion.cmake.in" HotReloadConfigVersion.cmake @ONLY)
install(FILES "${CMAKE_CURRENT_BINARY_DIR}/HotReloadConfig.cmake" "${CMAKE_CURRENT_BINARY_DIR}/HotReloadConfigVersion.cmake"
    DESTINATION "${config_dir}" COMPONENT devel)

# Relative to where the file lies, so that an installed tree may be moved.
set(PC_PREFIX "${CMAKE_INSTALL_PREFIX}")
set(PC_LIBDIR "${CMAKE_INSTALL_LIBDIR}")
set(PC_INCLUDEDIR "${CMAKE_INSTALL_INCLUDEDIR}")
if(NOT IS_ABSOLUTE "${CMAKE_INSTALL_LIBDIR}")
    set(PC_LIBDIR "\${prefix}/${CMAKE_INSTALL_LIBDIR}")
    string(REGEX REPLACE "[^/]+" ".." up "${CMAKE_INSTALL_LIBDIR}/pkgconfig")
    set(PC_PREFIX "\${pcfiledir}/${up}")
endif()
if(NOT IS_ABSOLUTE "${CMAKE_INSTALL_INCLUDEDIR}")
    set(PC_INCLUDEDIR "\${prefix}/${CMAKE_INSTALL_INCLUDEDIR}")
endif()
foreach(directory PC_PREFIX PC_LIBDIR PC_INCLUDEDIR)
    string(REPLACE " " "\\ " ${directory} "${${directory}}") # else a space ends a flag
endforeach()
if(HOTRELOAD_STATIC)
    set(PC_CFLAGS " -DHRM_STATIC")
    set(PC_LIBS " -pthread -ldl")
    if(HOTRELOAD_LINK_OPTIONS)
        string(APPEND PC_LIBS " -Wl,-z,nodelete")
    endif()
endif()
configure_file("${templates}/hotreload.pc.in" hotreload.pc @ONLY)
install(FILES "${CMAKE_CURRENT_BINARY_DIR}/hotreload.pc" DESTINATION "${CMAKE_INSTALL_LIBDIR}/pkgconfig" COMPONENT devel)
if(hotreload_man)
    install(DIRECTORY "${hotreload_man}/" DESTINATION "${CMAKE_INSTALL_MANDIR}" COMPONENT devel)
endif()
install(FILES LICENSE docs/THIRD_PARTY_LICENSES CHANGELOG.md DESTINATION "${CMAKE_INSTALL_DOCDIR}" COMPONENT devel)

install(CODE [[
    foreach(path IN LISTS new_directories)
        if(IS_DIRECTORY "${path}")
            file(CHMOD "${path}" DIRECTORY_PERMISSIONS OWNER_READ OWNER_WRITE OWNER_EXECUTE
                GROUP_READ GROUP_EXECUTE WORLD_READ WORLD_EXECUTE)
        endif()
    endforeach()
]] ALL_COMPONENTS)
