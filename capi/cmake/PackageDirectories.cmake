# SPDX-License-Identifier: MIT
# Run by CPack: a package's directories are for everybody, whatever the umask of who makes it. In Debian's packages manual
# pages and lists of changes are compressed, and libraries cannot be executed.
file(GLOB_RECURSE paths LIST_DIRECTORIES TRUE "${CPACK_TEMPORARY_DIRECTORY}/*")
foreach(path IN LISTS paths)
    if(IS_DIRECTORY "${path}" AND NOT IS_SYMLINK "${path}")
        file(CHMOD "${path}" DIRECTORY_PERMISSIONS OWNER_READ OWNER_WRITE OWNER_EXECUTE
            GROUP_READ GROUP_EXECUTE WORLD_READ WORLD_EXECUTE)
    elseif(CPACK_GENERATOR STREQUAL "DEB" AND NOT IS_SYMLINK "${path}")
        if(path MATCHES "/man/man[0-9]/|/changelog$|/CHANGELOG\\.md$")
            execute_process(COMMAND gzip -9nf "${path}" COMMAND_ERROR_IS_FATAL ANY)
        elseif(path MATCHES "\\.so\\.[0-9.]+$")
            file(CHMOD "${path}" FILE_PERMISSIONS OWNER_READ OWNER_WRITE GROUP_READ WORLD_READ)
        endif()
    endif()
endforeach()
