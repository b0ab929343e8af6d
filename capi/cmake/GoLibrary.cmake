# HotReload::hotreload: the C library, built by capi/mklib, the one place that
# knows how; or a prebuilt one named by HOTRELOAD_LIBRARY.
set(HOTRELOAD_KIND SHARED)
if(HOTRELOAD_STATIC)
    set(HOTRELOAD_KIND STATIC)
endif()
set(file_name "${CMAKE_${HOTRELOAD_KIND}_LIBRARY_PREFIX}hotreload${CMAKE_${HOTRELOAD_KIND}_LIBRARY_SUFFIX}")
if(HOTRELOAD_LIBRARY)
    set(hotreload_library "${HOTRELOAD_LIBRARY}")
    get_filename_component(library_dir "${HOTRELOAD_LIBRARY}" DIRECTORY)
    add_custom_target(hotreload_build)
else()
    find_program(GO_EXECUTABLE go REQUIRED DOC "The Go command")
    string(TOLOWER "${HOTRELOAD_KIND}" library_dir)
    set(library_dir "${CMAKE_CURRENT_BINARY_DIR}/${library_dir}")
    set(hotreload_library "${library_dir}/${file_name}")
    file(GLOB_RECURSE go_sources CONFIGURE_DEPENDS
        "${CMAKE_CURRENT_SOURCE_DIR}/core/*.go" "${CMAKE_CURRENT_SOURCE_DIR}/capi/*.go"
        "${CMAKE_CURRENT_SOURCE_DIR}/capi/*.c" "${CMAKE_CURRENT_SOURCE_DIR}/capi/*.h")
    list(FILTER go_sources EXCLUDE REGEX "_test\\.go$|/capi/tests/|/capi/qt/")
    set(flags $<$<OR:$<CONFIG:Release>,$<CONFIG:MinSizeRel>>:-release> $<$<STREQUAL:${HOTRELOAD_KIND},STATIC>:-static>)
    add_custom_command(
        OUTPUT "${hotreload_library}"
        COMMAND "${GO_EXECUTABLE}" run ./capi/mklib -q -out "${library_dir}" ${flags}
        WORKING_DIRECTORY "${CMAKE_CURRENT_SOURCE_DIR}"
        DEPENDS ${go_sources} go.mod go.sum include/hot_reload_manager.h
        COMMENT "Building ${file_name} with Go"
        COMMAND_EXPAND_LISTS VERBATIM)
    add_custom_target(hotreload_build ALL DEPENDS "${hotreload_library}")
endif()

# What a program that uses it has to know; the installed package says the same.
if(HOTRELOAD_STATIC)
    set(THREADS_PREFER_PTHREAD_FLAG ON)
    find_package(Threads REQUIRED)
    set(HOTRELOAD_DEFINITIONS HRM_STATIC)
    set(HOTRELOAD_LIBRARIES Threads::Threads)
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
if(HOTRELOAD_SONAME)
    set_target_properties(HotReload::hotreload PROPERTIES IMPORTED_SONAME "${HOTRELOAD_SONAME}")
endif()
