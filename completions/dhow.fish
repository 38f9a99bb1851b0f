# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_dhow_global_optspecs
    string join \n root= runroot= log-level= storage-driver= cgroup-manager= v/version h/help
end

function __fish_dhow_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_dhow_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_dhow_using_subcommand
    set -l cmd (__fish_dhow_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c dhow -n "__fish_dhow_needs_command" -l root -d 'Directory of images, containers and volumes' -r -F
complete -c dhow -n "__fish_dhow_needs_command" -l runroot -d 'Directory of what is gone after a reboot' -r -F
complete -c dhow -n "__fish_dhow_needs_command" -l log-level -d 'Say more or less: trace, debug, info, warn, error, fatal, panic' -r
complete -c dhow -n "__fish_dhow_needs_command" -l storage-driver -d 'How layers are kept: overlay' -r
complete -c dhow -n "__fish_dhow_needs_command" -l cgroup-manager -d 'Who manages cgroups: cgroupfs' -r
complete -c dhow -n "__fish_dhow_needs_command" -s v -l version -d 'Print the version'
complete -c dhow -n "__fish_dhow_needs_command" -s h -l help -d 'Print this help'
complete -c dhow -n "__fish_dhow_needs_command" -f -a "completion" -d 'Generate shell autocompletions'
complete -c dhow -n "__fish_dhow_needs_command" -f -a "history" -d 'Show the history of an image'
complete -c dhow -n "__fish_dhow_needs_command" -f -a "image" -d 'Manage images'
complete -c dhow -n "__fish_dhow_needs_command" -f -a "images" -d 'List images'
complete -c dhow -n "__fish_dhow_needs_command" -f -a "import" -d 'Make an image from the tar of a file system'
complete -c dhow -n "__fish_dhow_needs_command" -f -a "info" -d 'Display system information'
complete -c dhow -n "__fish_dhow_needs_command" -f -a "inspect" -d 'Display the configuration of the object that a name or ID means'
complete -c dhow -n "__fish_dhow_needs_command" -f -a "load" -d 'Load images from an archive'
complete -c dhow -n "__fish_dhow_needs_command" -f -a "login" -d 'Log in to a registry'
complete -c dhow -n "__fish_dhow_needs_command" -f -a "logout" -d 'Log out of a registry'
complete -c dhow -n "__fish_dhow_needs_command" -f -a "pull" -d 'Pull images from a registry'
complete -c dhow -n "__fish_dhow_needs_command" -f -a "rmi" -d 'Remove one or more images'
complete -c dhow -n "__fish_dhow_needs_command" -f -a "save" -d 'Save images to an archive'
complete -c dhow -n "__fish_dhow_needs_command" -f -a "system" -d 'Manage dhow'
complete -c dhow -n "__fish_dhow_needs_command" -f -a "tag" -d 'Give an image additional names'
complete -c dhow -n "__fish_dhow_needs_command" -f -a "untag" -d 'Take names from an image'
complete -c dhow -n "__fish_dhow_needs_command" -f -a "version" -d 'Display the version information'
complete -c dhow -n "__fish_dhow_needs_command" -f -a "volume" -d 'Manage volumes'
complete -c dhow -n "__fish_dhow_using_subcommand completion" -s f -l file -d 'Write to a file instead of standard output' -r -F
complete -c dhow -n "__fish_dhow_using_subcommand completion" -s h -l help -d 'Print this help'
complete -c dhow -n "__fish_dhow_using_subcommand history" -l format -d 'Change the output format to json or a Go template' -r
complete -c dhow -n "__fish_dhow_using_subcommand history" -s H -l human -d 'Display sizes and dates for people' -r -f -a "true\t''
false\t''"
complete -c dhow -n "__fish_dhow_using_subcommand history" -l no-trunc -d 'Do not shorten anything'
complete -c dhow -n "__fish_dhow_using_subcommand history" -s n -l noheading -d 'Leave the headings out'
complete -c dhow -n "__fish_dhow_using_subcommand history" -s q -l quiet -d 'Print ids only'
complete -c dhow -n "__fish_dhow_using_subcommand history" -s h -l help -d 'Print this help'
complete -c dhow -n "__fish_dhow_using_subcommand image; and not __fish_seen_subcommand_from exists history import inspect load ls list prune pull rm remove save tag untag" -s h -l help -d 'Print this help'
complete -c dhow -n "__fish_dhow_using_subcommand image; and not __fish_seen_subcommand_from exists history import inspect load ls list prune pull rm remove save tag untag" -f -a "exists" -d 'Check if an image exists'
complete -c dhow -n "__fish_dhow_using_subcommand image; and not __fish_seen_subcommand_from exists history import inspect load ls list prune pull rm remove save tag untag" -f -a "history" -d 'Show the history of an image'
complete -c dhow -n "__fish_dhow_using_subcommand image; and not __fish_seen_subcommand_from exists history import inspect load ls list prune pull rm remove save tag untag" -f -a "import" -d 'Make an image from the tar of a file system'
complete -c dhow -n "__fish_dhow_using_subcommand image; and not __fish_seen_subcommand_from exists history import inspect load ls list prune pull rm remove save tag untag" -f -a "inspect" -d 'Display the configuration of one or more images'
complete -c dhow -n "__fish_dhow_using_subcommand image; and not __fish_seen_subcommand_from exists history import inspect load ls list prune pull rm remove save tag untag" -f -a "load" -d 'Load images from an archive'
complete -c dhow -n "__fish_dhow_using_subcommand image; and not __fish_seen_subcommand_from exists history import inspect load ls list prune pull rm remove save tag untag" -f -a "ls" -d 'List images'
complete -c dhow -n "__fish_dhow_using_subcommand image; and not __fish_seen_subcommand_from exists history import inspect load ls list prune pull rm remove save tag untag" -f -a "list" -d 'List images'
complete -c dhow -n "__fish_dhow_using_subcommand image; and not __fish_seen_subcommand_from exists history import inspect load ls list prune pull rm remove save tag untag" -f -a "prune" -d 'Remove unused images'
complete -c dhow -n "__fish_dhow_using_subcommand image; and not __fish_seen_subcommand_from exists history import inspect load ls list prune pull rm remove save tag untag" -f -a "pull" -d 'Pull images from a registry'
complete -c dhow -n "__fish_dhow_using_subcommand image; and not __fish_seen_subcommand_from exists history import inspect load ls list prune pull rm remove save tag untag" -f -a "rm" -d 'Remove one or more images'
complete -c dhow -n "__fish_dhow_using_subcommand image; and not __fish_seen_subcommand_from exists history import inspect load ls list prune pull rm remove save tag untag" -f -a "remove" -d 'Remove one or more images'
complete -c dhow -n "__fish_dhow_using_subcommand image; and not __fish_seen_subcommand_from exists history import inspect load ls list prune pull rm remove save tag untag" -f -a "save" -d 'Save images to an archive'
complete -c dhow -n "__fish_dhow_using_subcommand image; and not __fish_seen_subcommand_from exists history import inspect load ls list prune pull rm remove save tag untag" -f -a "tag" -d 'Give an image additional names'
complete -c dhow -n "__fish_dhow_using_subcommand image; and not __fish_seen_subcommand_from exists history import inspect load ls list prune pull rm remove save tag untag" -f -a "untag" -d 'Take names from an image'
complete -c dhow -n "__fish_dhow_using_subcommand image; and __fish_seen_subcommand_from exists" -s h -l help -d 'Print this help'
complete -c dhow -n "__fish_dhow_using_subcommand image; and __fish_seen_subcommand_from history" -l format -d 'Change the output format to json or a Go template' -r
complete -c dhow -n "__fish_dhow_using_subcommand image; and __fish_seen_subcommand_from history" -s H -l human -d 'Display sizes and dates for people' -r -f -a "true\t''
false\t''"
complete -c dhow -n "__fish_dhow_using_subcommand image; and __fish_seen_subcommand_from history" -l no-trunc -d 'Do not shorten anything'
complete -c dhow -n "__fish_dhow_using_subcommand image; and __fish_seen_subcommand_from history" -s n -l noheading -d 'Leave the headings out'
complete -c dhow -n "__fish_dhow_using_subcommand image; and __fish_seen_subcommand_from history" -s q -l quiet -d 'Print ids only'
complete -c dhow -n "__fish_dhow_using_subcommand image; and __fish_seen_subcommand_from history" -s h -l help -d 'Print this help'
complete -c dhow -n "__fish_dhow_using_subcommand image; and __fish_seen_subcommand_from import" -s c -l change -d 'Change the configuration: CMD, ENTRYPOINT, ENV, EXPOSE, LABEL, STOPSIGNAL, USER, VOLUME, WORKDIR' -r
complete -c dhow -n "__fish_dhow_using_subcommand image; and __fish_seen_subcommand_from import" -s m -l message -d 'What the image\'s history says' -r
complete -c dhow -n "__fish_dhow_using_subcommand image; and __fish_seen_subcommand_from import" -l arch -d 'The architecture, instead of this machine\'s' -r
complete -c dhow -n "__fish_dhow_using_subcommand image; and __fish_seen_subcommand_from import" -l os -d 'The operating system, instead of this one' -r
complete -c dhow -n "__fish_dhow_using_subcommand image; and __fish_seen_subcommand_from import" -l platform -d 'The platform: OS/ARCH[/VARIANT]' -r
complete -c dhow -n "__fish_dhow_using_subcommand image; and __fish_seen_subcommand_from import" -l variant -d 'The variant of the architecture' -r
complete -c dhow -n "__fish_dhow_using_subcommand image; and __fish_seen_subcommand_from import" -s q -l quiet -d 'Say nothing but the id'
complete -c dhow -n "__fish_dhow_using_subcommand image; and __fish_seen_subcommand_from import" -s h -l help -d 'Print this help'
complete -c dhow -n "__fish_dhow_using_subcommand image; and __fish_seen_subcommand_from inspect" -s f -l format -d 'Change the output format to json or a Go template' -r
complete -c dhow -n "__fish_dhow_using_subcommand image; and __fish_seen_subcommand_from inspect" -s h -l help -d 'Print this help'
complete -c dhow -n "__fish_dhow_using_subcommand image; and __fish_seen_subcommand_from load" -s i -l input -d 'The archive, instead of standard input' -r -F
complete -c dhow -n "__fish_dhow_using_subcommand image; and __fish_seen_subcommand_from load" -s q -l quiet -d 'Say nothing but the names'
complete -c dhow -n "__fish_dhow_using_subcommand image; and __fish_seen_subcommand_from load" -s h -l help -d 'Print this help'
complete -c dhow -n "__fish_dhow_using_subcommand image; and __fish_seen_subcommand_from ls" -s f -l filter -d 'Choose by after, before, containers, dangling, digest, id, label, readonly, reference, until' -r
complete -c dhow -n "__fish_dhow_using_subcommand image; and __fish_seen_subcommand_from ls" -l format -d 'Change the output format to json or a Go template' -r
complete -c dhow -n "__fish_dhow_using_subcommand image; and __fish_seen_subcommand_from ls" -l sort -d 'Sort by created, id, repository, size or tag' -r
complete -c dhow -n "__fish_dhow_using_subcommand image; and __fish_seen_subcommand_from ls" -s a -l all -d 'Show all images; dhow keeps no intermediate ones'
complete -c dhow -n "__fish_dhow_using_subcommand image; and __fish_seen_subcommand_from ls" -l digests -d 'Show digests'
complete -c dhow -n "__fish_dhow_using_subcommand image; and __fish_seen_subcommand_from ls" -l history -d 'Show the names that images have had'
complete -c dhow -n "__fish_dhow_using_subcommand image; and __fish_seen_subcommand_from ls" -l no-trunc -d 'Do not shorten ids'
complete -c dhow -n "__fish_dhow_using_subcommand image; and __fish_seen_subcommand_from ls" -s n -l noheading -d 'Leave the headings out'
complete -c dhow -n "__fish_dhow_using_subcommand image; and __fish_seen_subcommand_from ls" -s q -l quiet -d 'Print ids only'
complete -c dhow -n "__fish_dhow_using_subcommand image; and __fish_seen_subcommand_from ls" -s h -l help -d 'Print this help'
complete -c dhow -n "__fish_dhow_using_subcommand image; and __fish_seen_subcommand_from list" -s f -l filter -d 'Choose by after, before, containers, dangling, digest, id, label, readonly, reference, until' -r
complete -c dhow -n "__fish_dhow_using_subcommand image; and __fish_seen_subcommand_from list" -l format -d 'Change the output format to json or a Go template' -r
complete -c dhow -n "__fish_dhow_using_subcommand image; and __fish_seen_subcommand_from list" -l sort -d 'Sort by created, id, repository, size or tag' -r
complete -c dhow -n "__fish_dhow_using_subcommand image; and __fish_seen_subcommand_from list" -s a -l all -d 'Show all images; dhow keeps no intermediate ones'
complete -c dhow -n "__fish_dhow_using_subcommand image; and __fish_seen_subcommand_from list" -l digests -d 'Show digests'
complete -c dhow -n "__fish_dhow_using_subcommand image; and __fish_seen_subcommand_from list" -l history -d 'Show the names that images have had'
complete -c dhow -n "__fish_dhow_using_subcommand image; and __fish_seen_subcommand_from list" -l no-trunc -d 'Do not shorten ids'
complete -c dhow -n "__fish_dhow_using_subcommand image; and __fish_seen_subcommand_from list" -s n -l noheading -d 'Leave the headings out'
complete -c dhow -n "__fish_dhow_using_subcommand image; and __fish_seen_subcommand_from list" -s q -l quiet -d 'Print ids only'
complete -c dhow -n "__fish_dhow_using_subcommand image; and __fish_seen_subcommand_from list" -s h -l help -d 'Print this help'
complete -c dhow -n "__fish_dhow_using_subcommand image; and __fish_seen_subcommand_from prune" -l filter -d 'Choose by the filters of `images`' -r
complete -c dhow -n "__fish_dhow_using_subcommand image; and __fish_seen_subcommand_from prune" -s a -l all -d 'Remove every image that no container uses'
complete -c dhow -n "__fish_dhow_using_subcommand image; and __fish_seen_subcommand_from prune" -s f -l force -d 'Do not ask'
complete -c dhow -n "__fish_dhow_using_subcommand image; and __fish_seen_subcommand_from prune" -s h -l help -d 'Print this help'
complete -c dhow -n "__fish_dhow_using_subcommand image; and __fish_seen_subcommand_from pull" -l creds -d 'Whose credentials are used: USER[:PASSWORD]' -r
complete -c dhow -n "__fish_dhow_using_subcommand image; and __fish_seen_subcommand_from pull" -l policy -d 'When the registry is asked: always, missing, never, newer' -r -f -a "always\t''
missing\t''
never\t''
newer\t''"
complete -c dhow -n "__fish_dhow_using_subcommand image; and __fish_seen_subcommand_from pull" -l retry -d 'How often a request is tried again' -r
complete -c dhow -n "__fish_dhow_using_subcommand image; and __fish_seen_subcommand_from pull" -l arch -d 'The architecture, instead of this machine\'s' -r
complete -c dhow -n "__fish_dhow_using_subcommand image; and __fish_seen_subcommand_from pull" -l os -d 'The operating system, instead of this one' -r
complete -c dhow -n "__fish_dhow_using_subcommand image; and __fish_seen_subcommand_from pull" -l platform -d 'The platform: OS/ARCH[/VARIANT]' -r
complete -c dhow -n "__fish_dhow_using_subcommand image; and __fish_seen_subcommand_from pull" -l variant -d 'The variant of the architecture' -r
complete -c dhow -n "__fish_dhow_using_subcommand image; and __fish_seen_subcommand_from pull" -l authfile -d 'The file of credentials, instead of the user\'s' -r -F
complete -c dhow -n "__fish_dhow_using_subcommand image; and __fish_seen_subcommand_from pull" -l cert-dir -d 'The directory of certificates and keys' -r -F
complete -c dhow -n "__fish_dhow_using_subcommand image; and __fish_seen_subcommand_from pull" -l tls-verify -d 'Require HTTPS and verify certificates' -r -f -a "true\t''
false\t''"
complete -c dhow -n "__fish_dhow_using_subcommand image; and __fish_seen_subcommand_from pull" -l disable-content-trust -d 'Docker\'s; it does nothing'
complete -c dhow -n "__fish_dhow_using_subcommand image; and __fish_seen_subcommand_from pull" -s q -l quiet -d 'Say nothing but the ids'
complete -c dhow -n "__fish_dhow_using_subcommand image; and __fish_seen_subcommand_from pull" -s h -l help -d 'Print this help'
complete -c dhow -n "__fish_dhow_using_subcommand image; and __fish_seen_subcommand_from rm" -s a -l all -d 'Remove all images'
complete -c dhow -n "__fish_dhow_using_subcommand image; and __fish_seen_subcommand_from rm" -s f -l force -d 'Remove containers that use the image, and all its names'
complete -c dhow -n "__fish_dhow_using_subcommand image; and __fish_seen_subcommand_from rm" -s i -l ignore -d 'An image that does not exist is no error'
complete -c dhow -n "__fish_dhow_using_subcommand image; and __fish_seen_subcommand_from rm" -l no-prune -d 'Keep untagged parents; dhow has none'
complete -c dhow -n "__fish_dhow_using_subcommand image; and __fish_seen_subcommand_from rm" -s h -l help -d 'Print this help'
complete -c dhow -n "__fish_dhow_using_subcommand image; and __fish_seen_subcommand_from remove" -s a -l all -d 'Remove all images'
complete -c dhow -n "__fish_dhow_using_subcommand image; and __fish_seen_subcommand_from remove" -s f -l force -d 'Remove containers that use the image, and all its names'
complete -c dhow -n "__fish_dhow_using_subcommand image; and __fish_seen_subcommand_from remove" -s i -l ignore -d 'An image that does not exist is no error'
complete -c dhow -n "__fish_dhow_using_subcommand image; and __fish_seen_subcommand_from remove" -l no-prune -d 'Keep untagged parents; dhow has none'
complete -c dhow -n "__fish_dhow_using_subcommand image; and __fish_seen_subcommand_from remove" -s h -l help -d 'Print this help'
complete -c dhow -n "__fish_dhow_using_subcommand image; and __fish_seen_subcommand_from save" -l format -d 'The format: docker-archive or oci-archive' -r
complete -c dhow -n "__fish_dhow_using_subcommand image; and __fish_seen_subcommand_from save" -s o -l output -d 'The file, instead of standard output' -r -F
complete -c dhow -n "__fish_dhow_using_subcommand image; and __fish_seen_subcommand_from save" -l uncompressed -d 'Layers are saved as they are kept; accepted for podman\'s sake'
complete -c dhow -n "__fish_dhow_using_subcommand image; and __fish_seen_subcommand_from save" -s m -l multi-image-archive -d 'Every argument is an image, not a name of the first'
complete -c dhow -n "__fish_dhow_using_subcommand image; and __fish_seen_subcommand_from save" -s q -l quiet -d 'Say nothing'
complete -c dhow -n "__fish_dhow_using_subcommand image; and __fish_seen_subcommand_from save" -s h -l help -d 'Print this help'
complete -c dhow -n "__fish_dhow_using_subcommand image; and __fish_seen_subcommand_from tag" -s h -l help -d 'Print this help'
complete -c dhow -n "__fish_dhow_using_subcommand image; and __fish_seen_subcommand_from untag" -s h -l help -d 'Print this help'
complete -c dhow -n "__fish_dhow_using_subcommand images" -s f -l filter -d 'Choose by after, before, containers, dangling, digest, id, label, readonly, reference, until' -r
complete -c dhow -n "__fish_dhow_using_subcommand images" -l format -d 'Change the output format to json or a Go template' -r
complete -c dhow -n "__fish_dhow_using_subcommand images" -l sort -d 'Sort by created, id, repository, size or tag' -r
complete -c dhow -n "__fish_dhow_using_subcommand images" -s a -l all -d 'Show all images; dhow keeps no intermediate ones'
complete -c dhow -n "__fish_dhow_using_subcommand images" -l digests -d 'Show digests'
complete -c dhow -n "__fish_dhow_using_subcommand images" -l history -d 'Show the names that images have had'
complete -c dhow -n "__fish_dhow_using_subcommand images" -l no-trunc -d 'Do not shorten ids'
complete -c dhow -n "__fish_dhow_using_subcommand images" -s n -l noheading -d 'Leave the headings out'
complete -c dhow -n "__fish_dhow_using_subcommand images" -s q -l quiet -d 'Print ids only'
complete -c dhow -n "__fish_dhow_using_subcommand images" -s h -l help -d 'Print this help'
complete -c dhow -n "__fish_dhow_using_subcommand import" -s c -l change -d 'Change the configuration: CMD, ENTRYPOINT, ENV, EXPOSE, LABEL, STOPSIGNAL, USER, VOLUME, WORKDIR' -r
complete -c dhow -n "__fish_dhow_using_subcommand import" -s m -l message -d 'What the image\'s history says' -r
complete -c dhow -n "__fish_dhow_using_subcommand import" -l arch -d 'The architecture, instead of this machine\'s' -r
complete -c dhow -n "__fish_dhow_using_subcommand import" -l os -d 'The operating system, instead of this one' -r
complete -c dhow -n "__fish_dhow_using_subcommand import" -l platform -d 'The platform: OS/ARCH[/VARIANT]' -r
complete -c dhow -n "__fish_dhow_using_subcommand import" -l variant -d 'The variant of the architecture' -r
complete -c dhow -n "__fish_dhow_using_subcommand import" -s q -l quiet -d 'Say nothing but the id'
complete -c dhow -n "__fish_dhow_using_subcommand import" -s h -l help -d 'Print this help'
complete -c dhow -n "__fish_dhow_using_subcommand info" -s f -l format -d 'Change the output format to json or a Go template' -r
complete -c dhow -n "__fish_dhow_using_subcommand info" -s D -l debug -d 'Display more, as podman does; everything is shown anyway'
complete -c dhow -n "__fish_dhow_using_subcommand info" -s h -l help -d 'Print this help'
complete -c dhow -n "__fish_dhow_using_subcommand inspect" -s f -l format -d 'Change the output format to json or a Go template' -r
complete -c dhow -n "__fish_dhow_using_subcommand inspect" -s t -l type -d 'The kind of object' -r -f -a "all\t''
container\t''
image\t''
volume\t''"
complete -c dhow -n "__fish_dhow_using_subcommand inspect" -s h -l help -d 'Print this help'
complete -c dhow -n "__fish_dhow_using_subcommand load" -s i -l input -d 'The archive, instead of standard input' -r -F
complete -c dhow -n "__fish_dhow_using_subcommand load" -s q -l quiet -d 'Say nothing but the names'
complete -c dhow -n "__fish_dhow_using_subcommand load" -s h -l help -d 'Print this help'
complete -c dhow -n "__fish_dhow_using_subcommand login" -s p -l password -d 'The password; others can see it while the command runs' -r
complete -c dhow -n "__fish_dhow_using_subcommand login" -s u -l username -d 'The user' -r
complete -c dhow -n "__fish_dhow_using_subcommand login" -l authfile -d 'The file of credentials, instead of the user\'s' -r -F
complete -c dhow -n "__fish_dhow_using_subcommand login" -l cert-dir -d 'The directory of certificates and keys' -r -F
complete -c dhow -n "__fish_dhow_using_subcommand login" -l tls-verify -d 'Require HTTPS and verify certificates' -r -f -a "true\t''
false\t''"
complete -c dhow -n "__fish_dhow_using_subcommand login" -l get-login -d 'Print the user who is logged in'
complete -c dhow -n "__fish_dhow_using_subcommand login" -l password-stdin -d 'Read the password from standard input'
complete -c dhow -n "__fish_dhow_using_subcommand login" -s v -l verbose -d 'Say which file is used'
complete -c dhow -n "__fish_dhow_using_subcommand login" -s h -l help -d 'Print this help'
complete -c dhow -n "__fish_dhow_using_subcommand logout" -l authfile -d 'The file of credentials, instead of the user\'s' -r -F
complete -c dhow -n "__fish_dhow_using_subcommand logout" -l cert-dir -d 'The directory of certificates and keys' -r -F
complete -c dhow -n "__fish_dhow_using_subcommand logout" -l tls-verify -d 'Require HTTPS and verify certificates' -r -f -a "true\t''
false\t''"
complete -c dhow -n "__fish_dhow_using_subcommand logout" -s a -l all -d 'Forget the credentials of all registries'
complete -c dhow -n "__fish_dhow_using_subcommand logout" -s h -l help -d 'Print this help'
complete -c dhow -n "__fish_dhow_using_subcommand pull" -l creds -d 'Whose credentials are used: USER[:PASSWORD]' -r
complete -c dhow -n "__fish_dhow_using_subcommand pull" -l policy -d 'When the registry is asked: always, missing, never, newer' -r -f -a "always\t''
missing\t''
never\t''
newer\t''"
complete -c dhow -n "__fish_dhow_using_subcommand pull" -l retry -d 'How often a request is tried again' -r
complete -c dhow -n "__fish_dhow_using_subcommand pull" -l arch -d 'The architecture, instead of this machine\'s' -r
complete -c dhow -n "__fish_dhow_using_subcommand pull" -l os -d 'The operating system, instead of this one' -r
complete -c dhow -n "__fish_dhow_using_subcommand pull" -l platform -d 'The platform: OS/ARCH[/VARIANT]' -r
complete -c dhow -n "__fish_dhow_using_subcommand pull" -l variant -d 'The variant of the architecture' -r
complete -c dhow -n "__fish_dhow_using_subcommand pull" -l authfile -d 'The file of credentials, instead of the user\'s' -r -F
complete -c dhow -n "__fish_dhow_using_subcommand pull" -l cert-dir -d 'The directory of certificates and keys' -r -F
complete -c dhow -n "__fish_dhow_using_subcommand pull" -l tls-verify -d 'Require HTTPS and verify certificates' -r -f -a "true\t''
false\t''"
complete -c dhow -n "__fish_dhow_using_subcommand pull" -l disable-content-trust -d 'Docker\'s; it does nothing'
complete -c dhow -n "__fish_dhow_using_subcommand pull" -s q -l quiet -d 'Say nothing but the ids'
complete -c dhow -n "__fish_dhow_using_subcommand pull" -s h -l help -d 'Print this help'
complete -c dhow -n "__fish_dhow_using_subcommand rmi" -s a -l all -d 'Remove all images'
complete -c dhow -n "__fish_dhow_using_subcommand rmi" -s f -l force -d 'Remove containers that use the image, and all its names'
complete -c dhow -n "__fish_dhow_using_subcommand rmi" -s i -l ignore -d 'An image that does not exist is no error'
complete -c dhow -n "__fish_dhow_using_subcommand rmi" -l no-prune -d 'Keep untagged parents; dhow has none'
complete -c dhow -n "__fish_dhow_using_subcommand rmi" -s h -l help -d 'Print this help'
complete -c dhow -n "__fish_dhow_using_subcommand save" -l format -d 'The format: docker-archive or oci-archive' -r
complete -c dhow -n "__fish_dhow_using_subcommand save" -s o -l output -d 'The file, instead of standard output' -r -F
complete -c dhow -n "__fish_dhow_using_subcommand save" -l uncompressed -d 'Layers are saved as they are kept; accepted for podman\'s sake'
complete -c dhow -n "__fish_dhow_using_subcommand save" -s m -l multi-image-archive -d 'Every argument is an image, not a name of the first'
complete -c dhow -n "__fish_dhow_using_subcommand save" -s q -l quiet -d 'Say nothing'
complete -c dhow -n "__fish_dhow_using_subcommand save" -s h -l help -d 'Print this help'
complete -c dhow -n "__fish_dhow_using_subcommand system; and not __fish_seen_subcommand_from info" -s h -l help -d 'Print this help'
complete -c dhow -n "__fish_dhow_using_subcommand system; and not __fish_seen_subcommand_from info" -f -a "info" -d 'Display system information'
complete -c dhow -n "__fish_dhow_using_subcommand system; and __fish_seen_subcommand_from info" -s f -l format -d 'Change the output format to json or a Go template' -r
complete -c dhow -n "__fish_dhow_using_subcommand system; and __fish_seen_subcommand_from info" -s D -l debug -d 'Display more, as podman does; everything is shown anyway'
complete -c dhow -n "__fish_dhow_using_subcommand system; and __fish_seen_subcommand_from info" -s h -l help -d 'Print this help'
complete -c dhow -n "__fish_dhow_using_subcommand tag" -s h -l help -d 'Print this help'
complete -c dhow -n "__fish_dhow_using_subcommand untag" -s h -l help -d 'Print this help'
complete -c dhow -n "__fish_dhow_using_subcommand version" -s f -l format -d 'Change the output format to json or a Go template' -r
complete -c dhow -n "__fish_dhow_using_subcommand version" -s h -l help -d 'Print this help'
complete -c dhow -n "__fish_dhow_using_subcommand volume; and not __fish_seen_subcommand_from create exists inspect ls list prune rm remove" -s h -l help -d 'Print this help'
complete -c dhow -n "__fish_dhow_using_subcommand volume; and not __fish_seen_subcommand_from create exists inspect ls list prune rm remove" -f -a "create" -d 'Create a new volume'
complete -c dhow -n "__fish_dhow_using_subcommand volume; and not __fish_seen_subcommand_from create exists inspect ls list prune rm remove" -f -a "exists" -d 'Check if a volume exists'
complete -c dhow -n "__fish_dhow_using_subcommand volume; and not __fish_seen_subcommand_from create exists inspect ls list prune rm remove" -f -a "inspect" -d 'Display detailed information on one or more volumes'
complete -c dhow -n "__fish_dhow_using_subcommand volume; and not __fish_seen_subcommand_from create exists inspect ls list prune rm remove" -f -a "ls" -d 'List volumes'
complete -c dhow -n "__fish_dhow_using_subcommand volume; and not __fish_seen_subcommand_from create exists inspect ls list prune rm remove" -f -a "list" -d 'List volumes'
complete -c dhow -n "__fish_dhow_using_subcommand volume; and not __fish_seen_subcommand_from create exists inspect ls list prune rm remove" -f -a "prune" -d 'Remove all unused volumes'
complete -c dhow -n "__fish_dhow_using_subcommand volume; and not __fish_seen_subcommand_from create exists inspect ls list prune rm remove" -f -a "rm" -d 'Remove one or more volumes'
complete -c dhow -n "__fish_dhow_using_subcommand volume; and not __fish_seen_subcommand_from create exists inspect ls list prune rm remove" -f -a "remove" -d 'Remove one or more volumes'
complete -c dhow -n "__fish_dhow_using_subcommand volume; and __fish_seen_subcommand_from create" -s d -l driver -d 'The volume\'s driver: local' -r
complete -c dhow -n "__fish_dhow_using_subcommand volume; and __fish_seen_subcommand_from create" -s l -l label -d 'Set a label, KEY=VALUE' -r
complete -c dhow -n "__fish_dhow_using_subcommand volume; and __fish_seen_subcommand_from create" -s o -l opt -d 'Set an option of the driver: type, device, o' -r
complete -c dhow -n "__fish_dhow_using_subcommand volume; and __fish_seen_subcommand_from create" -l ignore -d 'Do not fail if the volume exists'
complete -c dhow -n "__fish_dhow_using_subcommand volume; and __fish_seen_subcommand_from create" -s h -l help -d 'Print this help'
complete -c dhow -n "__fish_dhow_using_subcommand volume; and __fish_seen_subcommand_from exists" -s h -l help -d 'Print this help'
complete -c dhow -n "__fish_dhow_using_subcommand volume; and __fish_seen_subcommand_from inspect" -s f -l format -d 'Change the output format to json or a Go template' -r
complete -c dhow -n "__fish_dhow_using_subcommand volume; and __fish_seen_subcommand_from inspect" -s a -l all -d 'Inspect all volumes'
complete -c dhow -n "__fish_dhow_using_subcommand volume; and __fish_seen_subcommand_from inspect" -s h -l help -d 'Print this help'
complete -c dhow -n "__fish_dhow_using_subcommand volume; and __fish_seen_subcommand_from ls" -s f -l filter -d 'Choose by dangling, driver, label, name, opt, scope, since, until' -r
complete -c dhow -n "__fish_dhow_using_subcommand volume; and __fish_seen_subcommand_from ls" -l format -d 'Change the output format to json or a Go template' -r
complete -c dhow -n "__fish_dhow_using_subcommand volume; and __fish_seen_subcommand_from ls" -s n -l noheading -d 'Leave the headings out'
complete -c dhow -n "__fish_dhow_using_subcommand volume; and __fish_seen_subcommand_from ls" -s q -l quiet -d 'Print names only'
complete -c dhow -n "__fish_dhow_using_subcommand volume; and __fish_seen_subcommand_from ls" -s h -l help -d 'Print this help'
complete -c dhow -n "__fish_dhow_using_subcommand volume; and __fish_seen_subcommand_from list" -s f -l filter -d 'Choose by dangling, driver, label, name, opt, scope, since, until' -r
complete -c dhow -n "__fish_dhow_using_subcommand volume; and __fish_seen_subcommand_from list" -l format -d 'Change the output format to json or a Go template' -r
complete -c dhow -n "__fish_dhow_using_subcommand volume; and __fish_seen_subcommand_from list" -s n -l noheading -d 'Leave the headings out'
complete -c dhow -n "__fish_dhow_using_subcommand volume; and __fish_seen_subcommand_from list" -s q -l quiet -d 'Print names only'
complete -c dhow -n "__fish_dhow_using_subcommand volume; and __fish_seen_subcommand_from list" -s h -l help -d 'Print this help'
complete -c dhow -n "__fish_dhow_using_subcommand volume; and __fish_seen_subcommand_from prune" -l filter -d 'Choose by label, since, until' -r
complete -c dhow -n "__fish_dhow_using_subcommand volume; and __fish_seen_subcommand_from prune" -s f -l force -d 'Do not ask'
complete -c dhow -n "__fish_dhow_using_subcommand volume; and __fish_seen_subcommand_from prune" -s h -l help -d 'Print this help'
complete -c dhow -n "__fish_dhow_using_subcommand volume; and __fish_seen_subcommand_from rm" -s t -l time -d 'Seconds to wait for running containers to stop' -r
complete -c dhow -n "__fish_dhow_using_subcommand volume; and __fish_seen_subcommand_from rm" -s a -l all -d 'Remove all volumes'
complete -c dhow -n "__fish_dhow_using_subcommand volume; and __fish_seen_subcommand_from rm" -s f -l force -d 'Remove a volume by force, its containers first'
complete -c dhow -n "__fish_dhow_using_subcommand volume; and __fish_seen_subcommand_from rm" -s h -l help -d 'Print this help'
complete -c dhow -n "__fish_dhow_using_subcommand volume; and __fish_seen_subcommand_from remove" -s t -l time -d 'Seconds to wait for running containers to stop' -r
complete -c dhow -n "__fish_dhow_using_subcommand volume; and __fish_seen_subcommand_from remove" -s a -l all -d 'Remove all volumes'
complete -c dhow -n "__fish_dhow_using_subcommand volume; and __fish_seen_subcommand_from remove" -s f -l force -d 'Remove a volume by force, its containers first'
complete -c dhow -n "__fish_dhow_using_subcommand volume; and __fish_seen_subcommand_from remove" -s h -l help -d 'Print this help'
