# SPDX-License-Identifier: MIT
# For QtForge's own build: its class qtplugin::PluginHotReloadManager made of this library, with QtForge's expected,
# PluginError and codes. Needs CMake 3.21 and Qt, as HotReload::qtplugin does.
set(HOTRELOAD_QTFORGE "" CACHE PATH "QtForge's include directory, to compile its PluginHotReloadManager anew in its own build")

# hotreload_add_qtforge_manager(NAME INCLUDE-DIRECTORY): an object library with the class, compiled with the headers of
# QtForge in that directory, except for plugin_hot_reload_manager.hpp, which is ours.
function(hotreload_add_qtforge_manager name include)
    set(qt "${HotReload_SOURCE_DIR}/capi/qt")
    set(replacement "${qt}/qtforge/replacement")
    set(header "${replacement}/qtplugin/monitoring/plugin_hot_reload_manager.hpp")
    if(NOT EXISTS "${include}/qtplugin/utils/error_handling.hpp")
        message(FATAL_ERROR "HOTRELOAD_QTFORGE: ${include} has no qtplugin/utils/error_handling.hpp; name QtForge's include directory")
    endif()
    add_library(${name} OBJECT "${replacement}/plugin_hot_reload_manager.cpp" "${qt}/object_manager.cpp" "${header}"
        "${qt}/object_manager.hpp")
    target_compile_features(${name} PUBLIC cxx_std_17)
    # In this order.
    target_include_directories(${name} PUBLIC $<BUILD_INTERFACE:${replacement}> PRIVATE "${qt}" "${include}")
    target_compile_definitions(${name} PRIVATE HOTRELOAD_QT_BUILDING QT_NO_KEYWORDS)
    target_link_libraries(${name} PUBLIC hotreload_qtforge_headers)
    set_target_properties(${name} PROPERTIES AUTOMOC ON POSITION_INDEPENDENT_CODE ON CXX_VISIBILITY_PRESET hidden
        VISIBILITY_INLINES_HIDDEN ON)
    if(NOT MSVC)
        target_compile_options(${name} PRIVATE -Wall -Wextra)
    endif()
endfunction()

# hotreload_replace_manager(TARGET [NAME]): QtForge's library TARGET without its own plugin_hot_reload_manager.cpp and .hpp,
# and with that object library (HotReload::qtforge_manager) in their place.
function(hotreload_replace_manager target)
    set(name HotReload::qtforge_manager)
    if(ARGC GREATER 1)
        set(name "${ARGV1}")
    endif()
    if(NOT TARGET ${name})
        message(FATAL_ERROR "hotreload_replace_manager: there is no ${name}; configure with -DHOTRELOAD_QTFORGE=<QtForge's include directory>")
    endif()
    get_target_property(sources ${target} SOURCES)
    set(kept "${sources}")
    list(FILTER kept EXCLUDE REGEX "plugin_hot_reload_manager\\.(cpp|hpp)$")
    if(kept STREQUAL sources)
        message(FATAL_ERROR "hotreload_replace_manager: ${target} has no source plugin_hot_reload_manager.cpp")
    endif()
    set_target_properties(${target} PROPERTIES SOURCES "${kept}")
    target_include_directories(${target} BEFORE PUBLIC
        $<BUILD_INTERFACE:${HotReload_SOURCE_DIR}/capi/qt/qtforge/replacement>)
    target_link_libraries(${target} PUBLIC ${name})
endfunction()

if(HOTRELOAD_QTFORGE)
    hotreload_add_qtforge_manager(hotreload_qtforge_manager "${HOTRELOAD_QTFORGE}")
    add_library(HotReload::qtforge_manager ALIAS hotreload_qtforge_manager)
endif()
