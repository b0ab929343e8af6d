# HotReload::hotreload: the C library, built by capi/mklib, the one place that
# knows how; or a prebuilt one named by HOTRELOAD_LIBRARY.
set(soname_file "${CMAKE_SHARED_LIBRARY_PREFIX}hotreload${CMAKE_SHARED_LIBRARY_SUFFIX}")
if(HOTRELOAD_LIBRARY)
    set(library "${HOTRELOAD_LIBRARY}")
    add_custom_target(hotreload_build)
else()
    find_program(GO_EXECUTABLE go REQUIRED DOC "The Go command")
    set(library_dir "${CMAKE_CURRENT_BINARY_DIR}/lib")
    set(library "${library_dir}/${soname_file}")
    file(GLOB_RECURSE go_sources CONFIGURE_DEPENDS
        "${CMAKE_CURRENT_SOURCE_DIR}/core/*.go" "${CMAKE_CURRENT_SOURCE_DIR}/capi/*.go"
        "${CMAKE_CURRENT_SOURCE_DIR}/capi/*.c" "${CMAKE_CURRENT_SOURCE_DIR}/capi/*.h")
    list(FILTER go_sources EXCLUDE REGEX "_test\\.go$|/capi/tests/|/capi/qt/")
    set(release_flag $<$<OR:$<CONFIG:Release>,$<CONFIG:MinSizeRel>>:-release>)
    add_custom_command(
        OUTPUT "${library}"
        COMMAND "${GO_EXECUTABLE}" run ./capi/mklib -q -out "${library_dir}" ${release_flag}
        WORKING_DIRECTORY "${CMAKE_CURRENT_SOURCE_DIR}"
        DEPENDS ${go_sources} go.mod go.sum include/hot_reload_manager.h
        COMMENT "Building ${soname_file} with Go"
        COMMAND_EXPAND_LISTS VERBATIM)
    add_custom_target(hotreload_build ALL DEPENDS "${library}")
    install(DIRECTORY "${library_dir}/" DESTINATION "${CMAKE_INSTALL_LIBDIR}" USE_SOURCE_PERMISSIONS)
endif()

add_library(hotreload SHARED IMPORTED GLOBAL)
add_dependencies(hotreload hotreload_build)
set_target_properties(hotreload PROPERTIES
    IMPORTED_LOCATION "${library}"
    IMPORTED_SONAME "libhotreload.so.${PROJECT_VERSION_MAJOR}"
    INTERFACE_INCLUDE_DIRECTORIES "${CMAKE_CURRENT_SOURCE_DIR}/include")
add_library(HotReload::hotreload ALIAS hotreload)
install(FILES include/hot_reload_manager.h DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}")
