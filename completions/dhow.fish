# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_dhow_global_optspecs
    string join \n root= runroot= log-level= storage-driver= cgroup-manager= module= v/version h/help
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
complete -c dhow -n "__fish_dhow_needs_command" -l module -d 'Read this file of defaults too: a path, or a name below containers.conf.modules' -r
complete -c dhow -n "__fish_dhow_needs_command" -s v -l version -d 'Print the version'
complete -c dhow -n "__fish_dhow_needs_command" -s h -l help -d 'Print this help'
complete -c dhow -n "__fish_dhow_needs_command" -f -a "attach" -d 'Attach to a running container'
complete -c dhow -n "__fish_dhow_needs_command" -f -a "commit" -d 'Make an image of what a container changed'
complete -c dhow -n "__fish_dhow_needs_command" -f -a "completion" -d 'Generate shell autocompletions'
complete -c dhow -n "__fish_dhow_needs_command" -f -a "container" -d 'Manage containers'
complete -c dhow -n "__fish_dhow_needs_command" -f -a "cp" -d 'Copy files between a container and the host, or two containers'
complete -c dhow -n "__fish_dhow_needs_command" -f -a "create" -d 'Create a container without starting it'
complete -c dhow -n "__fish_dhow_needs_command" -f -a "diff" -d 'Show what a container changed of its image, or an image\'s top layer of those below'
complete -c dhow -n "__fish_dhow_needs_command" -f -a "events" -d 'Show what happens to containers, images and volumes'
complete -c dhow -n "__fish_dhow_needs_command" -f -a "exec" -d 'Run a command in a running container'
complete -c dhow -n "__fish_dhow_needs_command" -f -a "export" -d 'Write the files of a container as a tar archive'
complete -c dhow -n "__fish_dhow_needs_command" -f -a "history" -d 'Show the history of an image'
complete -c dhow -n "__fish_dhow_needs_command" -f -a "image" -d 'Manage images'
complete -c dhow -n "__fish_dhow_needs_command" -f -a "images" -d 'List images'
complete -c dhow -n "__fish_dhow_needs_command" -f -a "import" -d 'Make an image from the tar of a file system'
complete -c dhow -n "__fish_dhow_needs_command" -f -a "info" -d 'Display system information'
complete -c dhow -n "__fish_dhow_needs_command" -f -a "inspect" -d 'Display the configuration of the object that a name or ID means'
complete -c dhow -n "__fish_dhow_needs_command" -f -a "kill" -d 'Send a signal to the first process of one or more containers'
complete -c dhow -n "__fish_dhow_needs_command" -f -a "load" -d 'Load images from an archive'
complete -c dhow -n "__fish_dhow_needs_command" -f -a "login" -d 'Log in to a registry'
complete -c dhow -n "__fish_dhow_needs_command" -f -a "logout" -d 'Log out of a registry'
complete -c dhow -n "__fish_dhow_needs_command" -f -a "logs" -d 'Show the output of one or more containers'
complete -c dhow -n "__fish_dhow_needs_command" -f -a "manifest" -d 'Manage lists of images for several platforms'
complete -c dhow -n "__fish_dhow_needs_command" -f -a "mount" -d 'Mount the root file systems of containers, and print where; without names: list what is mounted'
complete -c dhow -n "__fish_dhow_needs_command" -f -a "pause" -d 'Suspend every process of one or more containers'
complete -c dhow -n "__fish_dhow_needs_command" -f -a "port" -d 'List the published ports of a container, or where one of them is published'
complete -c dhow -n "__fish_dhow_needs_command" -f -a "ps" -d 'List containers'
complete -c dhow -n "__fish_dhow_needs_command" -f -a "pull" -d 'Pull images from a registry'
complete -c dhow -n "__fish_dhow_needs_command" -f -a "push" -d 'Push an image to a registry'
complete -c dhow -n "__fish_dhow_needs_command" -f -a "rename" -d 'Give a container another name'
complete -c dhow -n "__fish_dhow_needs_command" -f -a "restart" -d 'Stop and start one or more containers'
complete -c dhow -n "__fish_dhow_needs_command" -f -a "rm" -d 'Remove one or more containers'
complete -c dhow -n "__fish_dhow_needs_command" -f -a "rmi" -d 'Remove one or more images'
complete -c dhow -n "__fish_dhow_needs_command" -f -a "run" -d 'Run a command in a new container'
complete -c dhow -n "__fish_dhow_needs_command" -f -a "save" -d 'Save images to an archive'
complete -c dhow -n "__fish_dhow_needs_command" -f -a "search" -d 'Search registries for images'
complete -c dhow -n "__fish_dhow_needs_command" -f -a "start" -d 'Start one or more containers'
complete -c dhow -n "__fish_dhow_needs_command" -f -a "stats" -d 'Show what running containers use'
complete -c dhow -n "__fish_dhow_needs_command" -f -a "stop" -d 'Stop one or more containers'
complete -c dhow -n "__fish_dhow_needs_command" -f -a "system" -d 'Manage dhow'
complete -c dhow -n "__fish_dhow_needs_command" -f -a "tag" -d 'Give an image additional names'
complete -c dhow -n "__fish_dhow_needs_command" -f -a "top" -d 'Show the processes of a container'
complete -c dhow -n "__fish_dhow_needs_command" -f -a "unmount" -d 'Unmount the root file systems of containers'
complete -c dhow -n "__fish_dhow_needs_command" -f -a "umount" -d 'Unmount the root file systems of containers'
complete -c dhow -n "__fish_dhow_needs_command" -f -a "unpause" -d 'Let the processes of one or more containers run again'
complete -c dhow -n "__fish_dhow_needs_command" -f -a "unshare" -d 'Run a command in the user namespace of your containers'
complete -c dhow -n "__fish_dhow_needs_command" -f -a "untag" -d 'Take names from an image'
complete -c dhow -n "__fish_dhow_needs_command" -f -a "update" -d 'Change the limits and the restart policy of a container'
complete -c dhow -n "__fish_dhow_needs_command" -f -a "version" -d 'Display the version information'
complete -c dhow -n "__fish_dhow_needs_command" -f -a "volume" -d 'Manage volumes'
complete -c dhow -n "__fish_dhow_needs_command" -f -a "wait" -d 'Wait until one or more containers have ended, and print their exit codes'
complete -c dhow -n "__fish_dhow_using_subcommand attach" -l detach-keys -d 'Keys that detach' -r
complete -c dhow -n "__fish_dhow_using_subcommand attach" -l sig-proxy -d 'Pass signals on to the container (the default)' -r -f -a "true\t''
false\t''"
complete -c dhow -n "__fish_dhow_using_subcommand attach" -s l -l latest -d 'The container that was created last'
complete -c dhow -n "__fish_dhow_using_subcommand attach" -l no-stdin -d 'Do not pass standard input on'
complete -c dhow -n "__fish_dhow_using_subcommand attach" -s h -l help -d 'Print this help'
complete -c dhow -n "__fish_dhow_using_subcommand commit" -s a -l author -d 'Who made it' -r
complete -c dhow -n "__fish_dhow_using_subcommand commit" -s c -l change -d 'Change the configuration: CMD, ENTRYPOINT, ENV, EXPOSE, LABEL, ONBUILD, STOPSIGNAL, USER, VOLUME, WORKDIR' -r
complete -c dhow -n "__fish_dhow_using_subcommand commit" -s f -l format -d 'The format: oci or docker' -r
complete -c dhow -n "__fish_dhow_using_subcommand commit" -l iidfile -d 'Write the image\'s ID to a file' -r -F
complete -c dhow -n "__fish_dhow_using_subcommand commit" -s m -l message -d 'A message for the image\'s history (docker format)' -r
complete -c dhow -n "__fish_dhow_using_subcommand commit" -l include-volumes -d 'The container\'s volumes become volumes of the image'
complete -c dhow -n "__fish_dhow_using_subcommand commit" -s p -l pause -d 'The container\'s processes stand still meanwhile'
complete -c dhow -n "__fish_dhow_using_subcommand commit" -s q -l quiet -d 'Say nothing but the ID'
complete -c dhow -n "__fish_dhow_using_subcommand commit" -s s -l squash -d 'All layers become one'
complete -c dhow -n "__fish_dhow_using_subcommand commit" -s h -l help -d 'Print this help'
complete -c dhow -n "__fish_dhow_using_subcommand completion" -s f -l file -d 'Write to a file instead of standard output' -r -F
complete -c dhow -n "__fish_dhow_using_subcommand completion" -s h -l help -d 'Print this help'
complete -c dhow -n "__fish_dhow_using_subcommand container; and not __fish_seen_subcommand_from attach cleanup clone commit cp create diff exec export exists inspect kill list ls logs mount pause port prune ps rename restart rm run start stats stop top unmount umount unpause update wait" -s h -l help -d 'Print this help'
complete -c dhow -n "__fish_dhow_using_subcommand container; and not __fish_seen_subcommand_from attach cleanup clone commit cp create diff exec export exists inspect kill list ls logs mount pause port prune ps rename restart rm run start stats stop top unmount umount unpause update wait" -f -a "attach" -d 'Attach to a running container'
complete -c dhow -n "__fish_dhow_using_subcommand container; and not __fish_seen_subcommand_from attach cleanup clone commit cp create diff exec export exists inspect kill list ls logs mount pause port prune ps rename restart rm run start stats stop top unmount umount unpause update wait" -f -a "cleanup" -d 'Finish what was left of containers that have ended: mounts, networks'
complete -c dhow -n "__fish_dhow_using_subcommand container; and not __fish_seen_subcommand_from attach cleanup clone commit cp create diff exec export exists inspect kill list ls logs mount pause port prune ps rename restart rm run start stats stop top unmount umount unpause update wait" -f -a "clone" -d 'Make another container of the same configuration'
complete -c dhow -n "__fish_dhow_using_subcommand container; and not __fish_seen_subcommand_from attach cleanup clone commit cp create diff exec export exists inspect kill list ls logs mount pause port prune ps rename restart rm run start stats stop top unmount umount unpause update wait" -f -a "commit" -d 'Make an image of what a container changed'
complete -c dhow -n "__fish_dhow_using_subcommand container; and not __fish_seen_subcommand_from attach cleanup clone commit cp create diff exec export exists inspect kill list ls logs mount pause port prune ps rename restart rm run start stats stop top unmount umount unpause update wait" -f -a "cp" -d 'Copy files between a container and the host, or two containers'
complete -c dhow -n "__fish_dhow_using_subcommand container; and not __fish_seen_subcommand_from attach cleanup clone commit cp create diff exec export exists inspect kill list ls logs mount pause port prune ps rename restart rm run start stats stop top unmount umount unpause update wait" -f -a "create" -d 'Create a container without starting it'
complete -c dhow -n "__fish_dhow_using_subcommand container; and not __fish_seen_subcommand_from attach cleanup clone commit cp create diff exec export exists inspect kill list ls logs mount pause port prune ps rename restart rm run start stats stop top unmount umount unpause update wait" -f -a "diff" -d 'Show what a container changed of its image'
complete -c dhow -n "__fish_dhow_using_subcommand container; and not __fish_seen_subcommand_from attach cleanup clone commit cp create diff exec export exists inspect kill list ls logs mount pause port prune ps rename restart rm run start stats stop top unmount umount unpause update wait" -f -a "exec" -d 'Run a command in a running container'
complete -c dhow -n "__fish_dhow_using_subcommand container; and not __fish_seen_subcommand_from attach cleanup clone commit cp create diff exec export exists inspect kill list ls logs mount pause port prune ps rename restart rm run start stats stop top unmount umount unpause update wait" -f -a "export" -d 'Write the files of a container as a tar archive'
complete -c dhow -n "__fish_dhow_using_subcommand container; and not __fish_seen_subcommand_from attach cleanup clone commit cp create diff exec export exists inspect kill list ls logs mount pause port prune ps rename restart rm run start stats stop top unmount umount unpause update wait" -f -a "exists" -d 'Check whether a container exists: exit code 0, or 1'
complete -c dhow -n "__fish_dhow_using_subcommand container; and not __fish_seen_subcommand_from attach cleanup clone commit cp create diff exec export exists inspect kill list ls logs mount pause port prune ps rename restart rm run start stats stop top unmount umount unpause update wait" -f -a "inspect" -d 'Display the configuration and state of containers'
complete -c dhow -n "__fish_dhow_using_subcommand container; and not __fish_seen_subcommand_from attach cleanup clone commit cp create diff exec export exists inspect kill list ls logs mount pause port prune ps rename restart rm run start stats stop top unmount umount unpause update wait" -f -a "kill" -d 'Send a signal to the first process of one or more containers'
complete -c dhow -n "__fish_dhow_using_subcommand container; and not __fish_seen_subcommand_from attach cleanup clone commit cp create diff exec export exists inspect kill list ls logs mount pause port prune ps rename restart rm run start stats stop top unmount umount unpause update wait" -f -a "list" -d 'List containers'
complete -c dhow -n "__fish_dhow_using_subcommand container; and not __fish_seen_subcommand_from attach cleanup clone commit cp create diff exec export exists inspect kill list ls logs mount pause port prune ps rename restart rm run start stats stop top unmount umount unpause update wait" -f -a "ls" -d 'List containers'
complete -c dhow -n "__fish_dhow_using_subcommand container; and not __fish_seen_subcommand_from attach cleanup clone commit cp create diff exec export exists inspect kill list ls logs mount pause port prune ps rename restart rm run start stats stop top unmount umount unpause update wait" -f -a "logs" -d 'Show the output of one or more containers'
complete -c dhow -n "__fish_dhow_using_subcommand container; and not __fish_seen_subcommand_from attach cleanup clone commit cp create diff exec export exists inspect kill list ls logs mount pause port prune ps rename restart rm run start stats stop top unmount umount unpause update wait" -f -a "mount" -d 'Mount the root file systems of containers, and print where; without names: list what is mounted'
complete -c dhow -n "__fish_dhow_using_subcommand container; and not __fish_seen_subcommand_from attach cleanup clone commit cp create diff exec export exists inspect kill list ls logs mount pause port prune ps rename restart rm run start stats stop top unmount umount unpause update wait" -f -a "pause" -d 'Suspend every process of one or more containers'
complete -c dhow -n "__fish_dhow_using_subcommand container; and not __fish_seen_subcommand_from attach cleanup clone commit cp create diff exec export exists inspect kill list ls logs mount pause port prune ps rename restart rm run start stats stop top unmount umount unpause update wait" -f -a "port" -d 'List the published ports of a container, or where one of them is published'
complete -c dhow -n "__fish_dhow_using_subcommand container; and not __fish_seen_subcommand_from attach cleanup clone commit cp create diff exec export exists inspect kill list ls logs mount pause port prune ps rename restart rm run start stats stop top unmount umount unpause update wait" -f -a "prune" -d 'Remove all containers that do not run'
complete -c dhow -n "__fish_dhow_using_subcommand container; and not __fish_seen_subcommand_from attach cleanup clone commit cp create diff exec export exists inspect kill list ls logs mount pause port prune ps rename restart rm run start stats stop top unmount umount unpause update wait" -f -a "ps" -d 'List containers'
complete -c dhow -n "__fish_dhow_using_subcommand container; and not __fish_seen_subcommand_from attach cleanup clone commit cp create diff exec export exists inspect kill list ls logs mount pause port prune ps rename restart rm run start stats stop top unmount umount unpause update wait" -f -a "rename" -d 'Give a container another name'
complete -c dhow -n "__fish_dhow_using_subcommand container; and not __fish_seen_subcommand_from attach cleanup clone commit cp create diff exec export exists inspect kill list ls logs mount pause port prune ps rename restart rm run start stats stop top unmount umount unpause update wait" -f -a "restart" -d 'Stop and start one or more containers'
complete -c dhow -n "__fish_dhow_using_subcommand container; and not __fish_seen_subcommand_from attach cleanup clone commit cp create diff exec export exists inspect kill list ls logs mount pause port prune ps rename restart rm run start stats stop top unmount umount unpause update wait" -f -a "rm" -d 'Remove one or more containers'
complete -c dhow -n "__fish_dhow_using_subcommand container; and not __fish_seen_subcommand_from attach cleanup clone commit cp create diff exec export exists inspect kill list ls logs mount pause port prune ps rename restart rm run start stats stop top unmount umount unpause update wait" -f -a "run" -d 'Run a command in a new container'
complete -c dhow -n "__fish_dhow_using_subcommand container; and not __fish_seen_subcommand_from attach cleanup clone commit cp create diff exec export exists inspect kill list ls logs mount pause port prune ps rename restart rm run start stats stop top unmount umount unpause update wait" -f -a "start" -d 'Start one or more containers'
complete -c dhow -n "__fish_dhow_using_subcommand container; and not __fish_seen_subcommand_from attach cleanup clone commit cp create diff exec export exists inspect kill list ls logs mount pause port prune ps rename restart rm run start stats stop top unmount umount unpause update wait" -f -a "stats" -d 'Show what running containers use'
complete -c dhow -n "__fish_dhow_using_subcommand container; and not __fish_seen_subcommand_from attach cleanup clone commit cp create diff exec export exists inspect kill list ls logs mount pause port prune ps rename restart rm run start stats stop top unmount umount unpause update wait" -f -a "stop" -d 'Stop one or more containers'
complete -c dhow -n "__fish_dhow_using_subcommand container; and not __fish_seen_subcommand_from attach cleanup clone commit cp create diff exec export exists inspect kill list ls logs mount pause port prune ps rename restart rm run start stats stop top unmount umount unpause update wait" -f -a "top" -d 'Show the processes of a container'
complete -c dhow -n "__fish_dhow_using_subcommand container; and not __fish_seen_subcommand_from attach cleanup clone commit cp create diff exec export exists inspect kill list ls logs mount pause port prune ps rename restart rm run start stats stop top unmount umount unpause update wait" -f -a "unmount" -d 'Unmount the root file systems of containers'
complete -c dhow -n "__fish_dhow_using_subcommand container; and not __fish_seen_subcommand_from attach cleanup clone commit cp create diff exec export exists inspect kill list ls logs mount pause port prune ps rename restart rm run start stats stop top unmount umount unpause update wait" -f -a "umount" -d 'Unmount the root file systems of containers'
complete -c dhow -n "__fish_dhow_using_subcommand container; and not __fish_seen_subcommand_from attach cleanup clone commit cp create diff exec export exists inspect kill list ls logs mount pause port prune ps rename restart rm run start stats stop top unmount umount unpause update wait" -f -a "unpause" -d 'Let the processes of one or more containers run again'
complete -c dhow -n "__fish_dhow_using_subcommand container; and not __fish_seen_subcommand_from attach cleanup clone commit cp create diff exec export exists inspect kill list ls logs mount pause port prune ps rename restart rm run start stats stop top unmount umount unpause update wait" -f -a "update" -d 'Change the limits and the restart policy of a container'
complete -c dhow -n "__fish_dhow_using_subcommand container; and not __fish_seen_subcommand_from attach cleanup clone commit cp create diff exec export exists inspect kill list ls logs mount pause port prune ps rename restart rm run start stats stop top unmount umount unpause update wait" -f -a "wait" -d 'Wait until one or more containers have ended, and print their exit codes'
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from attach" -l detach-keys -d 'Keys that detach' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from attach" -l sig-proxy -d 'Pass signals on to the container (the default)' -r -f -a "true\t''
false\t''"
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from attach" -s l -l latest -d 'The container that was created last'
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from attach" -l no-stdin -d 'Do not pass standard input on'
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from attach" -s h -l help -d 'Print this help'
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from cleanup" -s a -l all -d 'All containers that do not run'
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from cleanup" -s l -l latest -d 'The container that was created last'
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from cleanup" -l rm -d 'Remove them, too'
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from cleanup" -s h -l help -d 'Print this help'
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from clone" -l blkio-weight -d 'Relative weight of block input and output, 10 to 1000' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from clone" -l blkio-weight-device -d 'The same for one device, DEVICE:WEIGHT' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from clone" -l cpu-period -d 'Length of the scheduler\'s period in microseconds' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from clone" -l cpu-quota -d 'Microseconds of processor time in a period' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from clone" -l cpu-rt-period -d 'Length of the realtime scheduler\'s period in microseconds' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from clone" -l cpu-rt-runtime -d 'Microseconds of realtime in a period' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from clone" -s c -l cpu-shares -d 'Relative weight of processor time' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from clone" -l cpus -d 'Number of processors, with a fraction' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from clone" -l cpuset-cpus -d 'Processors that may be used: 0-3,5' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from clone" -l cpuset-mems -d 'Memory nodes that may be used' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from clone" -l device-read-bps -d 'Bytes in a second that are read from a device at most, DEVICE:SIZE' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from clone" -l device-write-bps -d 'Bytes in a second that are written to a device at most, DEVICE:SIZE' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from clone" -s m -l memory -d 'Memory limit, with a unit: b, k, m, g' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from clone" -l memory-reservation -d 'Memory that is kept under pressure' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from clone" -l memory-swap -d 'Limit of memory and swap together; -1 is unlimited' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from clone" -l memory-swappiness -d 'How readily memory is swapped, 0 to 100' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from clone" -l name -d 'Name of the new container' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from clone" -l destroy -d 'Remove the first container'
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from clone" -s f -l force -d 'With --destroy: stop the first container where it runs'
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from clone" -l run -d 'Start the new container'
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from clone" -s h -l help -d 'Print this help'
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from commit" -s a -l author -d 'Who made it' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from commit" -s c -l change -d 'Change the configuration: CMD, ENTRYPOINT, ENV, EXPOSE, LABEL, ONBUILD, STOPSIGNAL, USER, VOLUME, WORKDIR' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from commit" -s f -l format -d 'The format: oci or docker' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from commit" -l iidfile -d 'Write the image\'s ID to a file' -r -F
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from commit" -s m -l message -d 'A message for the image\'s history (docker format)' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from commit" -l include-volumes -d 'The container\'s volumes become volumes of the image'
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from commit" -s p -l pause -d 'The container\'s processes stand still meanwhile'
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from commit" -s q -l quiet -d 'Say nothing but the ID'
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from commit" -s s -l squash -d 'All layers become one'
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from commit" -s h -l help -d 'Print this help'
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from cp" -s a -l archive -d 'What comes into a container belongs to its user (the default); false: to whom it belonged' -r -f -a "true\t''
false\t''"
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from cp" -l overwrite -d 'A directory may take the place of a file, and a file that of a directory'
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from cp" -l pause -d 'Accepted; files are read while the container runs'
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from cp" -s h -l help -d 'Print this help'
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from create" -l add-host -d 'Add a line to the hosts file: NAME[;NAME...]:ADDRESS, where host-gateway is the host' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from create" -l annotation -d 'Add an annotation, KEY=VALUE' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from create" -l arch -d 'Architecture of the image' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from create" -s a -l attach -d 'Attach only to these streams: stdin, stdout, stderr' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from create" -l authfile -d 'File of registry credentials' -r -F
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from create" -l blkio-weight -d 'Relative weight of block input and output, 10 to 1000' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from create" -l blkio-weight-device -d 'The same for one device, DEVICE:WEIGHT' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from create" -l cap-add -d 'Add capabilities; all is every one' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from create" -l cap-drop -d 'Drop capabilities; all is every one' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from create" -l cert-dir -d 'Directory of certificates for registries' -r -F
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from create" -l cgroup-conf -d 'Write a file of the unified cgroup hierarchy, FILE=VALUE' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from create" -l cgroup-parent -d 'Cgroup below which the container\'s is made' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from create" -l cgroupns -d 'Cgroup namespace: private, host, container:ID, ns:PATH' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from create" -l cgroups -d 'Which cgroups are made: enabled, disabled, no-conmon (the monitor stays with its starter), split (below the starter\'s)' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from create" -l chrootdirs -d 'Directories inside that get the hosts file and the like too' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from create" -l cidfile -d 'Write the container\'s id to this file, which must not exist' -r -F
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from create" -l conmon-pidfile -d 'Write the pid of the container\'s monitor to this file' -r -F
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from create" -l cpu-period -d 'Length of the scheduler\'s period in microseconds' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from create" -l cpu-quota -d 'Microseconds of processor time in a period' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from create" -l cpu-rt-period -d 'Length of the realtime scheduler\'s period in microseconds' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from create" -l cpu-rt-runtime -d 'Microseconds of realtime in a period' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from create" -s c -l cpu-shares -d 'Relative weight of processor time' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from create" -l cpus -d 'Number of processors, with a fraction' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from create" -l cpuset-cpus -d 'Processors that may be used: 0-3,5' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from create" -l cpuset-mems -d 'Memory nodes that may be used' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from create" -l creds -d 'Credentials for the registry, USER[:PASSWORD]' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from create" -l detach-keys -d 'Keys that detach: characters and ctrl-a to ctrl-z, separated by commas; empty disables' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from create" -l device -d 'Add a device of the host: HOST[:CONTAINER][:rwm]' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from create" -l device-cgroup-rule -d 'Allow devices without adding them: KIND MAJOR:MINOR ACCESS, as c 1:* rwm' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from create" -l device-read-bps -d 'Bytes in a second that are read from a device at most, DEVICE:SIZE' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from create" -l device-read-iops -d 'Reads in a second from a device at most, DEVICE:NUMBER' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from create" -l device-write-bps -d 'Bytes in a second that are written to a device at most, DEVICE:SIZE' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from create" -l device-write-iops -d 'Writes in a second to a device at most, DEVICE:NUMBER' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from create" -l disable-content-trust -d 'Has no effect, as in podman' -r -f -a "true\t''
false\t''"
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from create" -l dns -d 'Name servers; none leaves resolv.conf to the image' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from create" -l dns-option -d 'Options of resolv.conf' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from create" -l dns-search -d 'Search domains of resolv.conf' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from create" -l entrypoint -d 'Replace the image\'s entrypoint: a command, or a JSON array of words' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from create" -s e -l env -d 'Set a variable: NAME=VALUE, NAME for the caller\'s value, NAME* for all that begin so' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from create" -l env-file -d 'Read variables from a file' -r -F
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from create" -l env-host -d 'Pass all of the caller\'s variables on' -r -f -a "true\t''
false\t''"
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from create" -l env-merge -d 'Set a variable from those of the image: NAME=${NAME}:more' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from create" -l expose -d 'Expose a port or a range of ports' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from create" -l gidmap -d 'Map group ids, INSIDE:OUTSIDE:SIZE' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from create" -l group-add -d 'Add supplementary groups' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from create" -l group-entry -d 'Line for the user\'s group in the container\'s group file, with $GROUPNAME, $GID and $USERLIST' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from create" -s h -l hostname -d 'Host name of the container' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from create" -l hosts-file -d 'File that the container\'s hosts file begins with: a path, image or none' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from create" -l hostuser -d 'Add a user of the host to the container\'s passwd file' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from create" -l http-proxy -d 'Pass the caller\'s proxy variables on (the default)' -r -f -a "true\t''
false\t''"
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from create" -l image-volume -d 'What becomes of the image\'s volumes: anonymous, tmpfs, ignore' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from create" -l init -d 'Run an init that forwards signals and reaps processes' -r -f -a "true\t''
false\t''"
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from create" -l init-path -d 'Program of the host that is the init of --init, in place of dhow\'s own' -r -F
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from create" -l ip -d 'Address on the network' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from create" -l ip6 -d 'IPv6 address on the network' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from create" -l ipc -d 'IPC namespace: private, shareable, none, host, container:ID, ns:PATH' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from create" -s l -l label -d 'Add a label, KEY=VALUE' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from create" -l label-file -d 'Read labels from a file' -r -F
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from create" -l log-driver -d 'Where output is kept: k8s-file, json-file, none, passthrough, passthrough-tty' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from create" -l log-opt -d 'Options of the log: path=, max-size= (16m), max-file= (5), tag=' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from create" -l mac-address -d 'Hardware address on the network' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from create" -s m -l memory -d 'Memory limit, with a unit: b, k, m, g' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from create" -l memory-reservation -d 'Memory that is kept under pressure' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from create" -l memory-swap -d 'Limit of memory and swap together; -1 is unlimited' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from create" -l memory-swappiness -d 'How readily memory is swapped, 0 to 100; -1 is the host\'s choice' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from create" -l mount -d 'Mount a file system: type=bind|volume|tmpfs,src=...,dst=...' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from create" -l name -d 'Name of the container' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from create" -l network -d 'Network: bridge, none, host, private, container:ID, ns:PATH, pasta, or names of networks' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from create" -l network-alias -d 'Further names on the network' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from create" -l no-hosts -d 'Leave the image\'s hosts file' -r -f -a "true\t''
false\t''"
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from create" -l oom-score-adj -d 'How readily the kernel kills the container when memory runs out, -1000 to 1000' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from create" -l os -d 'Operating system of the image' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from create" -l passwd -d 'Add a line for the user to the container\'s passwd and group files (the default)' -r -f -a "true\t''
false\t''"
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from create" -l passwd-entry -d 'Line for the user in the container\'s passwd file, with $USERNAME, $UID, $GID, $NAME and $HOME' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from create" -l personality -d 'Kind of machine that the container sees: LINUX or LINUX32' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from create" -l pid -d 'PID namespace: private, host, container:ID, ns:PATH' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from create" -l pidfile -d 'Write the pid of the container\'s first process to this file' -r -F
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from create" -l pids-limit -d 'Number of processes; -1 and 0 are unlimited' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from create" -l platform -d 'Platform of the image: OS/ARCH[/VARIANT]' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from create" -l privileged -d 'Give the rights of the caller: capabilities, devices, no filters' -r -f -a "true\t''
false\t''"
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from create" -s p -l publish -d 'Publish a port: [[IP:][HOSTPORT]:]PORT[/PROTOCOL]' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from create" -l pull -d 'When to pull the image: always, missing, never, newer' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from create" -l read-only -d 'Make the root file system read-only' -r -f -a "true\t''
false\t''"
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from create" -l read-only-tmpfs -d 'With --read-only: tmpfs on /dev/shm, /run, /tmp and /var/tmp (the default)' -r -f -a "true\t''
false\t''"
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from create" -l requires -d 'Containers that are started first' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from create" -l restart -d 'What happens when it ends: no, always, on-failure[:N], unless-stopped' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from create" -l sdnotify -d 'Who says over NOTIFY_SOCKET that the container is ready: container, conmon, ignore' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from create" -l seccomp-policy -d 'Where the system call filter comes from: default, or image (its label io.containers.seccomp.profile)' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from create" -l security-opt -d 'Confinement: seccomp=, apparmor=, no-new-privileges, mask=, unmask=, proc-opts=, label=' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from create" -l shm-size -d 'Size of /dev/shm' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from create" -l stop-signal -d 'Signal that stops the container' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from create" -l stop-timeout -d 'Seconds between the stop signal and the kill; -1 waits forever' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from create" -l subgidname -d 'Take the maps of the user namespace from this owner\'s entries in /etc/subgid' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from create" -l subuidname -d 'Take the maps of the user namespace from this owner\'s entries in /etc/subuid' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from create" -l sysctl -d 'Set a kernel parameter, KEY=VALUE' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from create" -l systemd -d 'What a systemd inside needs: true (if the command is one), false, always' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from create" -l timeout -d 'Seconds after which the container is killed; 0 is never' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from create" -l tls-verify -d 'Require HTTPS and verify certificates' -r -f -a "true\t''
false\t''"
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from create" -l tmpfs -d 'Mount a tmpfs: PATH[:OPTIONS]' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from create" -l tz -d 'Time zone: a name as Europe/Berlin, or local for the host\'s' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from create" -l uidmap -d 'Map user ids, INSIDE:OUTSIDE:SIZE' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from create" -l ulimit -d 'Set a limit: NAME=SOFT[:HARD], or host' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from create" -l umask -d 'Mask of the modes of new files, in octal (0022)' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from create" -l unsetenv -d 'Leave out a variable of the image or of dhow' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from create" -s u -l user -d 'User and perhaps group, by name or number' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from create" -l userns -d 'User namespace: host, keep-id[:uid=,gid=], auto[:size=], nomap, container:ID, ns:PATH' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from create" -l uts -d 'UTS namespace: private, host, container:ID, ns:PATH' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from create" -l variant -d 'Variant of the image\'s architecture' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from create" -s v -l volume -d 'Bind a directory or a volume: [[SOURCE:]TARGET[:OPTIONS]]' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from create" -l volumes-from -d 'Mount the volumes of a container: CONTAINER[:OPTIONS]' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from create" -s w -l workdir -d 'Working directory' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from create" -s i -l interactive -d 'Keep standard input open'
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from create" -l oom-kill-disable -d 'Do not kill processes of the container when memory runs out'
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from create" -s P -l publish-all -d 'Publish every exposed port to a random port of the host'
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from create" -s q -l quiet -d 'Say nothing while pulling'
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from create" -l replace -d 'Remove a container that has the name'
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from create" -l rm -d 'Remove the container when it ends'
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from create" -l rootfs -d 'The first argument is a directory, with :O never written to, instead of an image'
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from create" -s t -l tty -d 'Allocate a terminal'
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from create" -l unsetenv-all -d 'Leave out all variables of the image and of dhow'
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from create" -l help -d 'Print this help'
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from diff" -l format -d 'The form: json' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from diff" -s l -l latest -d 'The container that was created last'
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from diff" -s h -l help -d 'Print this help'
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from exec" -l detach-keys -d 'Keys that detach' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from exec" -s e -l env -d 'Set a variable' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from exec" -l env-file -d 'Read variables from a file' -r -F
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from exec" -l preserve-fds -d 'Hand on this many descriptors, from 3 on' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from exec" -s u -l user -d 'User and perhaps group, by name or number' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from exec" -s w -l workdir -d 'Working directory' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from exec" -s d -l detach -d 'Run in the background and print the session\'s ID'
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from exec" -s i -l interactive -d 'Pass standard input on'
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from exec" -s l -l latest -d 'The container that was created last'
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from exec" -l privileged -d 'Give the rights of the caller'
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from exec" -s t -l tty -d 'Allocate a terminal'
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from exec" -s h -l help -d 'Print this help'
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from export" -s o -l output -d 'The file, instead of standard output' -r -F
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from export" -s l -l latest -d 'The container that was created last'
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from export" -s h -l help -d 'Print this help'
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from exists" -l external -d 'Accepted; there are no containers of other tools'
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from exists" -s h -l help -d 'Print this help'
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from inspect" -s f -l format -d 'Change the output format to json or a Go template' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from inspect" -s l -l latest -d 'The container that was created last'
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from inspect" -s s -l size -d 'Sizes too'
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from inspect" -s h -l help -d 'Print this help'
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from kill" -l cidfile -d 'Read a container\'s ID from a file' -r -F
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from kill" -s s -l signal -d 'The signal, by name or number' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from kill" -s a -l all -d 'All running containers'
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from kill" -s l -l latest -d 'The container that was created last'
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from kill" -s h -l help -d 'Print this help'
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from list" -s f -l filter -d 'List what the filter chooses: ancestor, before, command, exited, id, label, name, network, since, status, until, volume' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from list" -l format -d 'json, table, or a Go template' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from list" -s n -l last -d 'So many of the containers that were created last' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from list" -l sort -d 'Order: command, created, id, image, names, runningfor, size, status' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from list" -s w -l watch -d 'Show it again and again, every so many seconds' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from list" -s a -l all -d 'All containers, whatever their state'
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from list" -l external -d 'Accepted; there are no containers of other tools'
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from list" -s l -l latest -d 'The container that was created last'
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from list" -l ns -d 'Namespaces of the containers'
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from list" -l no-trunc -d 'IDs in full, and whole commands'
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from list" -l noheading -d 'No headings'
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from list" -s p -l pod -d 'Accepted; there are no pods yet'
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from list" -s q -l quiet -d 'IDs alone'
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from list" -s s -l size -d 'Sizes of the writable layers too'
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from list" -l sync -d 'Accepted; what is listed is always true'
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from list" -s h -l help -d 'Print this help'
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from ls" -s f -l filter -d 'List what the filter chooses: ancestor, before, command, exited, id, label, name, network, since, status, until, volume' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from ls" -l format -d 'json, table, or a Go template' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from ls" -s n -l last -d 'So many of the containers that were created last' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from ls" -l sort -d 'Order: command, created, id, image, names, runningfor, size, status' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from ls" -s w -l watch -d 'Show it again and again, every so many seconds' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from ls" -s a -l all -d 'All containers, whatever their state'
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from ls" -l external -d 'Accepted; there are no containers of other tools'
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from ls" -s l -l latest -d 'The container that was created last'
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from ls" -l ns -d 'Namespaces of the containers'
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from ls" -l no-trunc -d 'IDs in full, and whole commands'
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from ls" -l noheading -d 'No headings'
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from ls" -s p -l pod -d 'Accepted; there are no pods yet'
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from ls" -s q -l quiet -d 'IDs alone'
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from ls" -s s -l size -d 'Sizes of the writable layers too'
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from ls" -l sync -d 'Accepted; what is listed is always true'
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from ls" -s h -l help -d 'Print this help'
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from logs" -l since -d 'Only what was written since: a time, or a duration before now' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from logs" -l tail -d 'Only so many lines from the end' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from logs" -l until -d 'Only what was written until: a time, or a duration from now' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from logs" -l color -d 'A color of its own for each container\'s name'
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from logs" -s f -l follow -d 'Go on until the container ends'
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from logs" -s l -l latest -d 'The container that was created last'
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from logs" -s n -l names -d 'Begin each line with the container\'s name'
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from logs" -s t -l timestamps -d 'Begin each line with its time'
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from logs" -s h -l help -d 'Print this help'
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from mount" -l format -d 'The form of the list: json' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from mount" -s a -l all -d 'All containers'
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from mount" -s l -l latest -d 'The container that was created last'
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from mount" -l notruncate -l no-trunc -d 'Whole ids in the list'
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from mount" -s h -l help -d 'Print this help'
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from pause" -l cidfile -d 'Read a container\'s ID from a file' -r -F
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from pause" -s f -l filter -d 'Pause what the filter chooses' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from pause" -s a -l all -d 'All running containers'
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from pause" -s l -l latest -d 'The container that was created last'
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from pause" -s h -l help -d 'Print this help'
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from port" -s a -l all -d 'Of all running containers'
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from port" -s l -l latest -d 'The container that was created last'
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from port" -s h -l help -d 'Print this help'
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from prune" -l filter -d 'Remove what the filter chooses: label, until' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from prune" -s f -l force -d 'Do not ask'
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from prune" -s h -l help -d 'Print this help'
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from ps" -s f -l filter -d 'List what the filter chooses: ancestor, before, command, exited, id, label, name, network, since, status, until, volume' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from ps" -l format -d 'json, table, or a Go template' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from ps" -s n -l last -d 'So many of the containers that were created last' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from ps" -l sort -d 'Order: command, created, id, image, names, runningfor, size, status' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from ps" -s w -l watch -d 'Show it again and again, every so many seconds' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from ps" -s a -l all -d 'All containers, whatever their state'
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from ps" -l external -d 'Accepted; there are no containers of other tools'
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from ps" -s l -l latest -d 'The container that was created last'
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from ps" -l ns -d 'Namespaces of the containers'
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from ps" -l no-trunc -d 'IDs in full, and whole commands'
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from ps" -l noheading -d 'No headings'
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from ps" -s p -l pod -d 'Accepted; there are no pods yet'
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from ps" -s q -l quiet -d 'IDs alone'
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from ps" -s s -l size -d 'Sizes of the writable layers too'
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from ps" -l sync -d 'Accepted; what is listed is always true'
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from ps" -s h -l help -d 'Print this help'
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from rename" -s h -l help -d 'Print this help'
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from restart" -l cidfile -d 'Read a container\'s ID from a file' -r -F
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from restart" -s f -l filter -d 'Restart what the filter chooses' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from restart" -s t -l time -d 'Seconds of grace; -1 waits forever' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from restart" -s a -l all -d 'All containers, whatever their state'
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from restart" -s l -l latest -d 'The container that was created last'
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from restart" -l running -d 'All containers that run'
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from restart" -s h -l help -d 'Print this help'
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from rm" -l cidfile -d 'Read a container\'s ID from a file' -r -F
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from rm" -l filter -d 'Remove what the filter chooses' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from rm" -s t -l time -d 'With --force: seconds of grace; -1 waits forever' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from rm" -s a -l all -d 'All containers'
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from rm" -l depend -d 'The containers that use its namespaces, too'
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from rm" -s f -l force -d 'Also those that run or cannot be read; one that does not exist is no error'
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from rm" -s i -l ignore -d 'A container that does not exist is no error'
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from rm" -s l -l latest -d 'The container that was created last'
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from rm" -s v -l volumes -d 'Anonymous volumes too'
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from rm" -s h -l help -d 'Print this help'
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from run" -l preserve-fds -d 'Hand on this many descriptors, from 3 on' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from run" -l sig-proxy -d 'Pass signals on to the container (the default)' -r -f -a "true\t''
false\t''"
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from run" -l add-host -d 'Add a line to the hosts file: NAME[;NAME...]:ADDRESS, where host-gateway is the host' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from run" -l annotation -d 'Add an annotation, KEY=VALUE' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from run" -l arch -d 'Architecture of the image' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from run" -s a -l attach -d 'Attach only to these streams: stdin, stdout, stderr' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from run" -l authfile -d 'File of registry credentials' -r -F
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from run" -l blkio-weight -d 'Relative weight of block input and output, 10 to 1000' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from run" -l blkio-weight-device -d 'The same for one device, DEVICE:WEIGHT' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from run" -l cap-add -d 'Add capabilities; all is every one' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from run" -l cap-drop -d 'Drop capabilities; all is every one' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from run" -l cert-dir -d 'Directory of certificates for registries' -r -F
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from run" -l cgroup-conf -d 'Write a file of the unified cgroup hierarchy, FILE=VALUE' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from run" -l cgroup-parent -d 'Cgroup below which the container\'s is made' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from run" -l cgroupns -d 'Cgroup namespace: private, host, container:ID, ns:PATH' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from run" -l cgroups -d 'Which cgroups are made: enabled, disabled, no-conmon (the monitor stays with its starter), split (below the starter\'s)' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from run" -l chrootdirs -d 'Directories inside that get the hosts file and the like too' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from run" -l cidfile -d 'Write the container\'s id to this file, which must not exist' -r -F
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from run" -l conmon-pidfile -d 'Write the pid of the container\'s monitor to this file' -r -F
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from run" -l cpu-period -d 'Length of the scheduler\'s period in microseconds' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from run" -l cpu-quota -d 'Microseconds of processor time in a period' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from run" -l cpu-rt-period -d 'Length of the realtime scheduler\'s period in microseconds' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from run" -l cpu-rt-runtime -d 'Microseconds of realtime in a period' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from run" -s c -l cpu-shares -d 'Relative weight of processor time' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from run" -l cpus -d 'Number of processors, with a fraction' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from run" -l cpuset-cpus -d 'Processors that may be used: 0-3,5' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from run" -l cpuset-mems -d 'Memory nodes that may be used' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from run" -l creds -d 'Credentials for the registry, USER[:PASSWORD]' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from run" -l detach-keys -d 'Keys that detach: characters and ctrl-a to ctrl-z, separated by commas; empty disables' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from run" -l device -d 'Add a device of the host: HOST[:CONTAINER][:rwm]' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from run" -l device-cgroup-rule -d 'Allow devices without adding them: KIND MAJOR:MINOR ACCESS, as c 1:* rwm' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from run" -l device-read-bps -d 'Bytes in a second that are read from a device at most, DEVICE:SIZE' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from run" -l device-read-iops -d 'Reads in a second from a device at most, DEVICE:NUMBER' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from run" -l device-write-bps -d 'Bytes in a second that are written to a device at most, DEVICE:SIZE' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from run" -l device-write-iops -d 'Writes in a second to a device at most, DEVICE:NUMBER' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from run" -l disable-content-trust -d 'Has no effect, as in podman' -r -f -a "true\t''
false\t''"
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from run" -l dns -d 'Name servers; none leaves resolv.conf to the image' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from run" -l dns-option -d 'Options of resolv.conf' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from run" -l dns-search -d 'Search domains of resolv.conf' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from run" -l entrypoint -d 'Replace the image\'s entrypoint: a command, or a JSON array of words' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from run" -s e -l env -d 'Set a variable: NAME=VALUE, NAME for the caller\'s value, NAME* for all that begin so' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from run" -l env-file -d 'Read variables from a file' -r -F
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from run" -l env-host -d 'Pass all of the caller\'s variables on' -r -f -a "true\t''
false\t''"
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from run" -l env-merge -d 'Set a variable from those of the image: NAME=${NAME}:more' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from run" -l expose -d 'Expose a port or a range of ports' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from run" -l gidmap -d 'Map group ids, INSIDE:OUTSIDE:SIZE' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from run" -l group-add -d 'Add supplementary groups' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from run" -l group-entry -d 'Line for the user\'s group in the container\'s group file, with $GROUPNAME, $GID and $USERLIST' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from run" -s h -l hostname -d 'Host name of the container' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from run" -l hosts-file -d 'File that the container\'s hosts file begins with: a path, image or none' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from run" -l hostuser -d 'Add a user of the host to the container\'s passwd file' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from run" -l http-proxy -d 'Pass the caller\'s proxy variables on (the default)' -r -f -a "true\t''
false\t''"
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from run" -l image-volume -d 'What becomes of the image\'s volumes: anonymous, tmpfs, ignore' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from run" -l init -d 'Run an init that forwards signals and reaps processes' -r -f -a "true\t''
false\t''"
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from run" -l init-path -d 'Program of the host that is the init of --init, in place of dhow\'s own' -r -F
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from run" -l ip -d 'Address on the network' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from run" -l ip6 -d 'IPv6 address on the network' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from run" -l ipc -d 'IPC namespace: private, shareable, none, host, container:ID, ns:PATH' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from run" -s l -l label -d 'Add a label, KEY=VALUE' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from run" -l label-file -d 'Read labels from a file' -r -F
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from run" -l log-driver -d 'Where output is kept: k8s-file, json-file, none, passthrough, passthrough-tty' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from run" -l log-opt -d 'Options of the log: path=, max-size= (16m), max-file= (5), tag=' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from run" -l mac-address -d 'Hardware address on the network' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from run" -s m -l memory -d 'Memory limit, with a unit: b, k, m, g' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from run" -l memory-reservation -d 'Memory that is kept under pressure' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from run" -l memory-swap -d 'Limit of memory and swap together; -1 is unlimited' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from run" -l memory-swappiness -d 'How readily memory is swapped, 0 to 100; -1 is the host\'s choice' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from run" -l mount -d 'Mount a file system: type=bind|volume|tmpfs,src=...,dst=...' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from run" -l name -d 'Name of the container' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from run" -l network -d 'Network: bridge, none, host, private, container:ID, ns:PATH, pasta, or names of networks' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from run" -l network-alias -d 'Further names on the network' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from run" -l no-hosts -d 'Leave the image\'s hosts file' -r -f -a "true\t''
false\t''"
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from run" -l oom-score-adj -d 'How readily the kernel kills the container when memory runs out, -1000 to 1000' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from run" -l os -d 'Operating system of the image' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from run" -l passwd -d 'Add a line for the user to the container\'s passwd and group files (the default)' -r -f -a "true\t''
false\t''"
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from run" -l passwd-entry -d 'Line for the user in the container\'s passwd file, with $USERNAME, $UID, $GID, $NAME and $HOME' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from run" -l personality -d 'Kind of machine that the container sees: LINUX or LINUX32' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from run" -l pid -d 'PID namespace: private, host, container:ID, ns:PATH' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from run" -l pidfile -d 'Write the pid of the container\'s first process to this file' -r -F
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from run" -l pids-limit -d 'Number of processes; -1 and 0 are unlimited' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from run" -l platform -d 'Platform of the image: OS/ARCH[/VARIANT]' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from run" -l privileged -d 'Give the rights of the caller: capabilities, devices, no filters' -r -f -a "true\t''
false\t''"
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from run" -s p -l publish -d 'Publish a port: [[IP:][HOSTPORT]:]PORT[/PROTOCOL]' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from run" -l pull -d 'When to pull the image: always, missing, never, newer' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from run" -l read-only -d 'Make the root file system read-only' -r -f -a "true\t''
false\t''"
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from run" -l read-only-tmpfs -d 'With --read-only: tmpfs on /dev/shm, /run, /tmp and /var/tmp (the default)' -r -f -a "true\t''
false\t''"
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from run" -l requires -d 'Containers that are started first' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from run" -l restart -d 'What happens when it ends: no, always, on-failure[:N], unless-stopped' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from run" -l sdnotify -d 'Who says over NOTIFY_SOCKET that the container is ready: container, conmon, ignore' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from run" -l seccomp-policy -d 'Where the system call filter comes from: default, or image (its label io.containers.seccomp.profile)' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from run" -l security-opt -d 'Confinement: seccomp=, apparmor=, no-new-privileges, mask=, unmask=, proc-opts=, label=' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from run" -l shm-size -d 'Size of /dev/shm' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from run" -l stop-signal -d 'Signal that stops the container' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from run" -l stop-timeout -d 'Seconds between the stop signal and the kill; -1 waits forever' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from run" -l subgidname -d 'Take the maps of the user namespace from this owner\'s entries in /etc/subgid' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from run" -l subuidname -d 'Take the maps of the user namespace from this owner\'s entries in /etc/subuid' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from run" -l sysctl -d 'Set a kernel parameter, KEY=VALUE' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from run" -l systemd -d 'What a systemd inside needs: true (if the command is one), false, always' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from run" -l timeout -d 'Seconds after which the container is killed; 0 is never' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from run" -l tls-verify -d 'Require HTTPS and verify certificates' -r -f -a "true\t''
false\t''"
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from run" -l tmpfs -d 'Mount a tmpfs: PATH[:OPTIONS]' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from run" -l tz -d 'Time zone: a name as Europe/Berlin, or local for the host\'s' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from run" -l uidmap -d 'Map user ids, INSIDE:OUTSIDE:SIZE' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from run" -l ulimit -d 'Set a limit: NAME=SOFT[:HARD], or host' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from run" -l umask -d 'Mask of the modes of new files, in octal (0022)' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from run" -l unsetenv -d 'Leave out a variable of the image or of dhow' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from run" -s u -l user -d 'User and perhaps group, by name or number' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from run" -l userns -d 'User namespace: host, keep-id[:uid=,gid=], auto[:size=], nomap, container:ID, ns:PATH' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from run" -l uts -d 'UTS namespace: private, host, container:ID, ns:PATH' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from run" -l variant -d 'Variant of the image\'s architecture' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from run" -s v -l volume -d 'Bind a directory or a volume: [[SOURCE:]TARGET[:OPTIONS]]' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from run" -l volumes-from -d 'Mount the volumes of a container: CONTAINER[:OPTIONS]' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from run" -s w -l workdir -d 'Working directory' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from run" -s d -l detach -d 'Run in the background and print the container\'s ID'
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from run" -l rmi -d 'Remove the image with the container, unless others use it; implies --rm'
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from run" -s i -l interactive -d 'Keep standard input open'
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from run" -l oom-kill-disable -d 'Do not kill processes of the container when memory runs out'
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from run" -s P -l publish-all -d 'Publish every exposed port to a random port of the host'
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from run" -s q -l quiet -d 'Say nothing while pulling'
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from run" -l replace -d 'Remove a container that has the name'
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from run" -l rm -d 'Remove the container when it ends'
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from run" -l rootfs -d 'The first argument is a directory, with :O never written to, instead of an image'
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from run" -s t -l tty -d 'Allocate a terminal'
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from run" -l unsetenv-all -d 'Leave out all variables of the image and of dhow'
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from run" -l help -d 'Print this help'
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from start" -l detach-keys -d 'Keys that detach' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from start" -s f -l filter -d 'Start what the filter chooses' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from start" -l sig-proxy -d 'Pass signals on to the container (the default with --attach)' -r -f -a "true\t''
false\t''"
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from start" -l all -d 'All containers, whatever their state'
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from start" -s a -l attach -d 'Show the container\'s output and return its exit code'
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from start" -s i -l interactive -d 'Pass standard input on'
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from start" -s l -l latest -d 'The container that was created last'
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from start" -s h -l help -d 'Print this help'
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from stats" -l format -d 'A Go template, or json' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from stats" -s i -l interval -d 'Seconds between two reports' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from stats" -s a -l all -d 'All containers, running or not'
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from stats" -s l -l latest -d 'The container that was created last'
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from stats" -l no-reset -d 'Do not clear the screen between reports'
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from stats" -l no-stream -d 'One report'
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from stats" -l no-trunc -d 'Whole ids'
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from stats" -s h -l help -d 'Print this help'
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from stop" -l cidfile -d 'Read a container\'s ID from a file' -r -F
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from stop" -s f -l filter -d 'Stop what the filter chooses' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from stop" -s t -l time -d 'Seconds of grace; -1 waits forever' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from stop" -s a -l all -d 'Stop all running containers'
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from stop" -s i -l ignore -d 'A container that does not exist is no error'
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from stop" -s l -l latest -d 'The container that was created last'
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from stop" -s h -l help -d 'Print this help'
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from top" -s l -l latest -d 'The container that was created last'
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from top" -l list-descriptors -d 'List the descriptors'
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from top" -s h -l help -d 'Print this help'
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from unmount" -s a -l all -d 'All that are mounted'
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from unmount" -s f -l force -d 'Accepted; nothing counts the mounts of a container'
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from unmount" -s l -l latest -d 'The container that was created last'
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from unmount" -s h -l help -d 'Print this help'
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from umount" -s a -l all -d 'All that are mounted'
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from umount" -s f -l force -d 'Accepted; nothing counts the mounts of a container'
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from umount" -s l -l latest -d 'The container that was created last'
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from umount" -s h -l help -d 'Print this help'
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from unpause" -l cidfile -d 'Read a container\'s ID from a file' -r -F
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from unpause" -s f -l filter -d 'Pause what the filter chooses' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from unpause" -s a -l all -d 'All running containers'
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from unpause" -s l -l latest -d 'The container that was created last'
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from unpause" -s h -l help -d 'Print this help'
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from update" -l blkio-weight -d 'Relative weight of block I/O, 10 to 1000' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from update" -l blkio-weight-device -d 'The same for one device, PATH:WEIGHT' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from update" -l cpu-rt-period -d 'Length of the realtime scheduler\'s period in microseconds' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from update" -l cpu-rt-runtime -d 'Microseconds for realtime tasks in a period' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from update" -l device-read-bps -d 'Bytes a second that are read from a device, PATH:RATE' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from update" -l device-read-iops -d 'Reads a second from a device, PATH:NUMBER' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from update" -l device-write-bps -d 'Bytes a second that are written to a device, PATH:RATE' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from update" -l device-write-iops -d 'Writes a second to a device, PATH:NUMBER' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from update" -l cpu-period -d 'Length of the scheduler\'s period in microseconds' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from update" -l cpu-quota -d 'Microseconds of processor time in a period' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from update" -s c -l cpu-shares -d 'Relative weight of processor time' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from update" -l cpus -d 'Number of processors, with a fraction' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from update" -l cpuset-cpus -d 'Processors that may be used: 0-3,5' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from update" -l cpuset-mems -d 'Memory nodes that may be used' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from update" -s m -l memory -d 'Memory limit, with a unit: b, k, m, g' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from update" -l memory-reservation -d 'Memory that is kept under pressure' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from update" -l memory-swap -d 'Limit of memory and swap together; -1 is unlimited' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from update" -l memory-swappiness -d 'How readily memory is swapped, 0 to 100' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from update" -l pids-limit -d 'Number of processes; -1 and 0 are unlimited' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from update" -l restart -d 'What happens when it ends: no, always, on-failure[:N], unless-stopped' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from update" -s l -l latest -d 'The container that was created last'
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from update" -s h -l help -d 'Print this help'
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from wait" -l condition -d 'Wait for a state: configured, created, exited, initialized, paused, removing, running, stopped, stopping' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from wait" -s i -l interval -d 'For podman\'s sake: milliseconds, or a number with a unit; the kernel tells when there is something to see' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from wait" -l ignore -d 'A container that does not exist is no error: -1 is printed'
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from wait" -s l -l latest -d 'The container that was created last'
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from wait" -s h -l help -d 'Print this help'
complete -c dhow -n "__fish_dhow_using_subcommand cp" -s a -l archive -d 'What comes into a container belongs to its user (the default); false: to whom it belonged' -r -f -a "true\t''
false\t''"
complete -c dhow -n "__fish_dhow_using_subcommand cp" -l overwrite -d 'A directory may take the place of a file, and a file that of a directory'
complete -c dhow -n "__fish_dhow_using_subcommand cp" -l pause -d 'Accepted; files are read while the container runs'
complete -c dhow -n "__fish_dhow_using_subcommand cp" -s h -l help -d 'Print this help'
complete -c dhow -n "__fish_dhow_using_subcommand create" -l add-host -d 'Add a line to the hosts file: NAME[;NAME...]:ADDRESS, where host-gateway is the host' -r
complete -c dhow -n "__fish_dhow_using_subcommand create" -l annotation -d 'Add an annotation, KEY=VALUE' -r
complete -c dhow -n "__fish_dhow_using_subcommand create" -l arch -d 'Architecture of the image' -r
complete -c dhow -n "__fish_dhow_using_subcommand create" -s a -l attach -d 'Attach only to these streams: stdin, stdout, stderr' -r
complete -c dhow -n "__fish_dhow_using_subcommand create" -l authfile -d 'File of registry credentials' -r -F
complete -c dhow -n "__fish_dhow_using_subcommand create" -l blkio-weight -d 'Relative weight of block input and output, 10 to 1000' -r
complete -c dhow -n "__fish_dhow_using_subcommand create" -l blkio-weight-device -d 'The same for one device, DEVICE:WEIGHT' -r
complete -c dhow -n "__fish_dhow_using_subcommand create" -l cap-add -d 'Add capabilities; all is every one' -r
complete -c dhow -n "__fish_dhow_using_subcommand create" -l cap-drop -d 'Drop capabilities; all is every one' -r
complete -c dhow -n "__fish_dhow_using_subcommand create" -l cert-dir -d 'Directory of certificates for registries' -r -F
complete -c dhow -n "__fish_dhow_using_subcommand create" -l cgroup-conf -d 'Write a file of the unified cgroup hierarchy, FILE=VALUE' -r
complete -c dhow -n "__fish_dhow_using_subcommand create" -l cgroup-parent -d 'Cgroup below which the container\'s is made' -r
complete -c dhow -n "__fish_dhow_using_subcommand create" -l cgroupns -d 'Cgroup namespace: private, host, container:ID, ns:PATH' -r
complete -c dhow -n "__fish_dhow_using_subcommand create" -l cgroups -d 'Which cgroups are made: enabled, disabled, no-conmon (the monitor stays with its starter), split (below the starter\'s)' -r
complete -c dhow -n "__fish_dhow_using_subcommand create" -l chrootdirs -d 'Directories inside that get the hosts file and the like too' -r
complete -c dhow -n "__fish_dhow_using_subcommand create" -l cidfile -d 'Write the container\'s id to this file, which must not exist' -r -F
complete -c dhow -n "__fish_dhow_using_subcommand create" -l conmon-pidfile -d 'Write the pid of the container\'s monitor to this file' -r -F
complete -c dhow -n "__fish_dhow_using_subcommand create" -l cpu-period -d 'Length of the scheduler\'s period in microseconds' -r
complete -c dhow -n "__fish_dhow_using_subcommand create" -l cpu-quota -d 'Microseconds of processor time in a period' -r
complete -c dhow -n "__fish_dhow_using_subcommand create" -l cpu-rt-period -d 'Length of the realtime scheduler\'s period in microseconds' -r
complete -c dhow -n "__fish_dhow_using_subcommand create" -l cpu-rt-runtime -d 'Microseconds of realtime in a period' -r
complete -c dhow -n "__fish_dhow_using_subcommand create" -s c -l cpu-shares -d 'Relative weight of processor time' -r
complete -c dhow -n "__fish_dhow_using_subcommand create" -l cpus -d 'Number of processors, with a fraction' -r
complete -c dhow -n "__fish_dhow_using_subcommand create" -l cpuset-cpus -d 'Processors that may be used: 0-3,5' -r
complete -c dhow -n "__fish_dhow_using_subcommand create" -l cpuset-mems -d 'Memory nodes that may be used' -r
complete -c dhow -n "__fish_dhow_using_subcommand create" -l creds -d 'Credentials for the registry, USER[:PASSWORD]' -r
complete -c dhow -n "__fish_dhow_using_subcommand create" -l detach-keys -d 'Keys that detach: characters and ctrl-a to ctrl-z, separated by commas; empty disables' -r
complete -c dhow -n "__fish_dhow_using_subcommand create" -l device -d 'Add a device of the host: HOST[:CONTAINER][:rwm]' -r
complete -c dhow -n "__fish_dhow_using_subcommand create" -l device-cgroup-rule -d 'Allow devices without adding them: KIND MAJOR:MINOR ACCESS, as c 1:* rwm' -r
complete -c dhow -n "__fish_dhow_using_subcommand create" -l device-read-bps -d 'Bytes in a second that are read from a device at most, DEVICE:SIZE' -r
complete -c dhow -n "__fish_dhow_using_subcommand create" -l device-read-iops -d 'Reads in a second from a device at most, DEVICE:NUMBER' -r
complete -c dhow -n "__fish_dhow_using_subcommand create" -l device-write-bps -d 'Bytes in a second that are written to a device at most, DEVICE:SIZE' -r
complete -c dhow -n "__fish_dhow_using_subcommand create" -l device-write-iops -d 'Writes in a second to a device at most, DEVICE:NUMBER' -r
complete -c dhow -n "__fish_dhow_using_subcommand create" -l disable-content-trust -d 'Has no effect, as in podman' -r -f -a "true\t''
false\t''"
complete -c dhow -n "__fish_dhow_using_subcommand create" -l dns -d 'Name servers; none leaves resolv.conf to the image' -r
complete -c dhow -n "__fish_dhow_using_subcommand create" -l dns-option -d 'Options of resolv.conf' -r
complete -c dhow -n "__fish_dhow_using_subcommand create" -l dns-search -d 'Search domains of resolv.conf' -r
complete -c dhow -n "__fish_dhow_using_subcommand create" -l entrypoint -d 'Replace the image\'s entrypoint: a command, or a JSON array of words' -r
complete -c dhow -n "__fish_dhow_using_subcommand create" -s e -l env -d 'Set a variable: NAME=VALUE, NAME for the caller\'s value, NAME* for all that begin so' -r
complete -c dhow -n "__fish_dhow_using_subcommand create" -l env-file -d 'Read variables from a file' -r -F
complete -c dhow -n "__fish_dhow_using_subcommand create" -l env-host -d 'Pass all of the caller\'s variables on' -r -f -a "true\t''
false\t''"
complete -c dhow -n "__fish_dhow_using_subcommand create" -l env-merge -d 'Set a variable from those of the image: NAME=${NAME}:more' -r
complete -c dhow -n "__fish_dhow_using_subcommand create" -l expose -d 'Expose a port or a range of ports' -r
complete -c dhow -n "__fish_dhow_using_subcommand create" -l gidmap -d 'Map group ids, INSIDE:OUTSIDE:SIZE' -r
complete -c dhow -n "__fish_dhow_using_subcommand create" -l group-add -d 'Add supplementary groups' -r
complete -c dhow -n "__fish_dhow_using_subcommand create" -l group-entry -d 'Line for the user\'s group in the container\'s group file, with $GROUPNAME, $GID and $USERLIST' -r
complete -c dhow -n "__fish_dhow_using_subcommand create" -s h -l hostname -d 'Host name of the container' -r
complete -c dhow -n "__fish_dhow_using_subcommand create" -l hosts-file -d 'File that the container\'s hosts file begins with: a path, image or none' -r
complete -c dhow -n "__fish_dhow_using_subcommand create" -l hostuser -d 'Add a user of the host to the container\'s passwd file' -r
complete -c dhow -n "__fish_dhow_using_subcommand create" -l http-proxy -d 'Pass the caller\'s proxy variables on (the default)' -r -f -a "true\t''
false\t''"
complete -c dhow -n "__fish_dhow_using_subcommand create" -l image-volume -d 'What becomes of the image\'s volumes: anonymous, tmpfs, ignore' -r
complete -c dhow -n "__fish_dhow_using_subcommand create" -l init -d 'Run an init that forwards signals and reaps processes' -r -f -a "true\t''
false\t''"
complete -c dhow -n "__fish_dhow_using_subcommand create" -l init-path -d 'Program of the host that is the init of --init, in place of dhow\'s own' -r -F
complete -c dhow -n "__fish_dhow_using_subcommand create" -l ip -d 'Address on the network' -r
complete -c dhow -n "__fish_dhow_using_subcommand create" -l ip6 -d 'IPv6 address on the network' -r
complete -c dhow -n "__fish_dhow_using_subcommand create" -l ipc -d 'IPC namespace: private, shareable, none, host, container:ID, ns:PATH' -r
complete -c dhow -n "__fish_dhow_using_subcommand create" -s l -l label -d 'Add a label, KEY=VALUE' -r
complete -c dhow -n "__fish_dhow_using_subcommand create" -l label-file -d 'Read labels from a file' -r -F
complete -c dhow -n "__fish_dhow_using_subcommand create" -l log-driver -d 'Where output is kept: k8s-file, json-file, none, passthrough, passthrough-tty' -r
complete -c dhow -n "__fish_dhow_using_subcommand create" -l log-opt -d 'Options of the log: path=, max-size= (16m), max-file= (5), tag=' -r
complete -c dhow -n "__fish_dhow_using_subcommand create" -l mac-address -d 'Hardware address on the network' -r
complete -c dhow -n "__fish_dhow_using_subcommand create" -s m -l memory -d 'Memory limit, with a unit: b, k, m, g' -r
complete -c dhow -n "__fish_dhow_using_subcommand create" -l memory-reservation -d 'Memory that is kept under pressure' -r
complete -c dhow -n "__fish_dhow_using_subcommand create" -l memory-swap -d 'Limit of memory and swap together; -1 is unlimited' -r
complete -c dhow -n "__fish_dhow_using_subcommand create" -l memory-swappiness -d 'How readily memory is swapped, 0 to 100; -1 is the host\'s choice' -r
complete -c dhow -n "__fish_dhow_using_subcommand create" -l mount -d 'Mount a file system: type=bind|volume|tmpfs,src=...,dst=...' -r
complete -c dhow -n "__fish_dhow_using_subcommand create" -l name -d 'Name of the container' -r
complete -c dhow -n "__fish_dhow_using_subcommand create" -l network -d 'Network: bridge, none, host, private, container:ID, ns:PATH, pasta, or names of networks' -r
complete -c dhow -n "__fish_dhow_using_subcommand create" -l network-alias -d 'Further names on the network' -r
complete -c dhow -n "__fish_dhow_using_subcommand create" -l no-hosts -d 'Leave the image\'s hosts file' -r -f -a "true\t''
false\t''"
complete -c dhow -n "__fish_dhow_using_subcommand create" -l oom-score-adj -d 'How readily the kernel kills the container when memory runs out, -1000 to 1000' -r
complete -c dhow -n "__fish_dhow_using_subcommand create" -l os -d 'Operating system of the image' -r
complete -c dhow -n "__fish_dhow_using_subcommand create" -l passwd -d 'Add a line for the user to the container\'s passwd and group files (the default)' -r -f -a "true\t''
false\t''"
complete -c dhow -n "__fish_dhow_using_subcommand create" -l passwd-entry -d 'Line for the user in the container\'s passwd file, with $USERNAME, $UID, $GID, $NAME and $HOME' -r
complete -c dhow -n "__fish_dhow_using_subcommand create" -l personality -d 'Kind of machine that the container sees: LINUX or LINUX32' -r
complete -c dhow -n "__fish_dhow_using_subcommand create" -l pid -d 'PID namespace: private, host, container:ID, ns:PATH' -r
complete -c dhow -n "__fish_dhow_using_subcommand create" -l pidfile -d 'Write the pid of the container\'s first process to this file' -r -F
complete -c dhow -n "__fish_dhow_using_subcommand create" -l pids-limit -d 'Number of processes; -1 and 0 are unlimited' -r
complete -c dhow -n "__fish_dhow_using_subcommand create" -l platform -d 'Platform of the image: OS/ARCH[/VARIANT]' -r
complete -c dhow -n "__fish_dhow_using_subcommand create" -l privileged -d 'Give the rights of the caller: capabilities, devices, no filters' -r -f -a "true\t''
false\t''"
complete -c dhow -n "__fish_dhow_using_subcommand create" -s p -l publish -d 'Publish a port: [[IP:][HOSTPORT]:]PORT[/PROTOCOL]' -r
complete -c dhow -n "__fish_dhow_using_subcommand create" -l pull -d 'When to pull the image: always, missing, never, newer' -r
complete -c dhow -n "__fish_dhow_using_subcommand create" -l read-only -d 'Make the root file system read-only' -r -f -a "true\t''
false\t''"
complete -c dhow -n "__fish_dhow_using_subcommand create" -l read-only-tmpfs -d 'With --read-only: tmpfs on /dev/shm, /run, /tmp and /var/tmp (the default)' -r -f -a "true\t''
false\t''"
complete -c dhow -n "__fish_dhow_using_subcommand create" -l requires -d 'Containers that are started first' -r
complete -c dhow -n "__fish_dhow_using_subcommand create" -l restart -d 'What happens when it ends: no, always, on-failure[:N], unless-stopped' -r
complete -c dhow -n "__fish_dhow_using_subcommand create" -l sdnotify -d 'Who says over NOTIFY_SOCKET that the container is ready: container, conmon, ignore' -r
complete -c dhow -n "__fish_dhow_using_subcommand create" -l seccomp-policy -d 'Where the system call filter comes from: default, or image (its label io.containers.seccomp.profile)' -r
complete -c dhow -n "__fish_dhow_using_subcommand create" -l security-opt -d 'Confinement: seccomp=, apparmor=, no-new-privileges, mask=, unmask=, proc-opts=, label=' -r
complete -c dhow -n "__fish_dhow_using_subcommand create" -l shm-size -d 'Size of /dev/shm' -r
complete -c dhow -n "__fish_dhow_using_subcommand create" -l stop-signal -d 'Signal that stops the container' -r
complete -c dhow -n "__fish_dhow_using_subcommand create" -l stop-timeout -d 'Seconds between the stop signal and the kill; -1 waits forever' -r
complete -c dhow -n "__fish_dhow_using_subcommand create" -l subgidname -d 'Take the maps of the user namespace from this owner\'s entries in /etc/subgid' -r
complete -c dhow -n "__fish_dhow_using_subcommand create" -l subuidname -d 'Take the maps of the user namespace from this owner\'s entries in /etc/subuid' -r
complete -c dhow -n "__fish_dhow_using_subcommand create" -l sysctl -d 'Set a kernel parameter, KEY=VALUE' -r
complete -c dhow -n "__fish_dhow_using_subcommand create" -l systemd -d 'What a systemd inside needs: true (if the command is one), false, always' -r
complete -c dhow -n "__fish_dhow_using_subcommand create" -l timeout -d 'Seconds after which the container is killed; 0 is never' -r
complete -c dhow -n "__fish_dhow_using_subcommand create" -l tls-verify -d 'Require HTTPS and verify certificates' -r -f -a "true\t''
false\t''"
complete -c dhow -n "__fish_dhow_using_subcommand create" -l tmpfs -d 'Mount a tmpfs: PATH[:OPTIONS]' -r
complete -c dhow -n "__fish_dhow_using_subcommand create" -l tz -d 'Time zone: a name as Europe/Berlin, or local for the host\'s' -r
complete -c dhow -n "__fish_dhow_using_subcommand create" -l uidmap -d 'Map user ids, INSIDE:OUTSIDE:SIZE' -r
complete -c dhow -n "__fish_dhow_using_subcommand create" -l ulimit -d 'Set a limit: NAME=SOFT[:HARD], or host' -r
complete -c dhow -n "__fish_dhow_using_subcommand create" -l umask -d 'Mask of the modes of new files, in octal (0022)' -r
complete -c dhow -n "__fish_dhow_using_subcommand create" -l unsetenv -d 'Leave out a variable of the image or of dhow' -r
complete -c dhow -n "__fish_dhow_using_subcommand create" -s u -l user -d 'User and perhaps group, by name or number' -r
complete -c dhow -n "__fish_dhow_using_subcommand create" -l userns -d 'User namespace: host, keep-id[:uid=,gid=], auto[:size=], nomap, container:ID, ns:PATH' -r
complete -c dhow -n "__fish_dhow_using_subcommand create" -l uts -d 'UTS namespace: private, host, container:ID, ns:PATH' -r
complete -c dhow -n "__fish_dhow_using_subcommand create" -l variant -d 'Variant of the image\'s architecture' -r
complete -c dhow -n "__fish_dhow_using_subcommand create" -s v -l volume -d 'Bind a directory or a volume: [[SOURCE:]TARGET[:OPTIONS]]' -r
complete -c dhow -n "__fish_dhow_using_subcommand create" -l volumes-from -d 'Mount the volumes of a container: CONTAINER[:OPTIONS]' -r
complete -c dhow -n "__fish_dhow_using_subcommand create" -s w -l workdir -d 'Working directory' -r
complete -c dhow -n "__fish_dhow_using_subcommand create" -s i -l interactive -d 'Keep standard input open'
complete -c dhow -n "__fish_dhow_using_subcommand create" -l oom-kill-disable -d 'Do not kill processes of the container when memory runs out'
complete -c dhow -n "__fish_dhow_using_subcommand create" -s P -l publish-all -d 'Publish every exposed port to a random port of the host'
complete -c dhow -n "__fish_dhow_using_subcommand create" -s q -l quiet -d 'Say nothing while pulling'
complete -c dhow -n "__fish_dhow_using_subcommand create" -l replace -d 'Remove a container that has the name'
complete -c dhow -n "__fish_dhow_using_subcommand create" -l rm -d 'Remove the container when it ends'
complete -c dhow -n "__fish_dhow_using_subcommand create" -l rootfs -d 'The first argument is a directory, with :O never written to, instead of an image'
complete -c dhow -n "__fish_dhow_using_subcommand create" -s t -l tty -d 'Allocate a terminal'
complete -c dhow -n "__fish_dhow_using_subcommand create" -l unsetenv-all -d 'Leave out all variables of the image and of dhow'
complete -c dhow -n "__fish_dhow_using_subcommand create" -l help -d 'Print this help'
complete -c dhow -n "__fish_dhow_using_subcommand diff" -l format -d 'The form: json' -r
complete -c dhow -n "__fish_dhow_using_subcommand diff" -s l -l latest -d 'The container that was created last'
complete -c dhow -n "__fish_dhow_using_subcommand diff" -s h -l help -d 'Print this help'
complete -c dhow -n "__fish_dhow_using_subcommand events" -s f -l filter -d 'Only what fits: container, event, image, label, pod, type, volume' -r
complete -c dhow -n "__fish_dhow_using_subcommand events" -l format -d 'json, or a Go template' -r
complete -c dhow -n "__fish_dhow_using_subcommand events" -l no-trunc -d 'Whole ids (the default)' -r -f -a "true\t''
false\t''"
complete -c dhow -n "__fish_dhow_using_subcommand events" -l since -d 'Only since this time: a time, or a duration before now' -r
complete -c dhow -n "__fish_dhow_using_subcommand events" -l stream -d 'Go on as more happens (the default)' -r -f -a "true\t''
false\t''"
complete -c dhow -n "__fish_dhow_using_subcommand events" -l until -d 'Only until this time: a time, or a duration from now' -r
complete -c dhow -n "__fish_dhow_using_subcommand events" -s h -l help -d 'Print this help'
complete -c dhow -n "__fish_dhow_using_subcommand exec" -l detach-keys -d 'Keys that detach' -r
complete -c dhow -n "__fish_dhow_using_subcommand exec" -s e -l env -d 'Set a variable' -r
complete -c dhow -n "__fish_dhow_using_subcommand exec" -l env-file -d 'Read variables from a file' -r -F
complete -c dhow -n "__fish_dhow_using_subcommand exec" -l preserve-fds -d 'Hand on this many descriptors, from 3 on' -r
complete -c dhow -n "__fish_dhow_using_subcommand exec" -s u -l user -d 'User and perhaps group, by name or number' -r
complete -c dhow -n "__fish_dhow_using_subcommand exec" -s w -l workdir -d 'Working directory' -r
complete -c dhow -n "__fish_dhow_using_subcommand exec" -s d -l detach -d 'Run in the background and print the session\'s ID'
complete -c dhow -n "__fish_dhow_using_subcommand exec" -s i -l interactive -d 'Pass standard input on'
complete -c dhow -n "__fish_dhow_using_subcommand exec" -s l -l latest -d 'The container that was created last'
complete -c dhow -n "__fish_dhow_using_subcommand exec" -l privileged -d 'Give the rights of the caller'
complete -c dhow -n "__fish_dhow_using_subcommand exec" -s t -l tty -d 'Allocate a terminal'
complete -c dhow -n "__fish_dhow_using_subcommand exec" -s h -l help -d 'Print this help'
complete -c dhow -n "__fish_dhow_using_subcommand export" -s o -l output -d 'The file, instead of standard output' -r -F
complete -c dhow -n "__fish_dhow_using_subcommand export" -s l -l latest -d 'The container that was created last'
complete -c dhow -n "__fish_dhow_using_subcommand export" -s h -l help -d 'Print this help'
complete -c dhow -n "__fish_dhow_using_subcommand history" -l format -d 'Change the output format to json or a Go template' -r
complete -c dhow -n "__fish_dhow_using_subcommand history" -s H -l human -d 'Display sizes and dates for people' -r -f -a "true\t''
false\t''"
complete -c dhow -n "__fish_dhow_using_subcommand history" -l no-trunc -d 'Do not shorten anything'
complete -c dhow -n "__fish_dhow_using_subcommand history" -s n -l noheading -d 'Leave the headings out'
complete -c dhow -n "__fish_dhow_using_subcommand history" -s q -l quiet -d 'Print ids only'
complete -c dhow -n "__fish_dhow_using_subcommand history" -s h -l help -d 'Print this help'
complete -c dhow -n "__fish_dhow_using_subcommand image; and not __fish_seen_subcommand_from copy exists diff history import inspect load ls list mount prune pull push rm remove save tag tree unmount umount untag" -s h -l help -d 'Print this help'
complete -c dhow -n "__fish_dhow_using_subcommand image; and not __fish_seen_subcommand_from copy exists diff history import inspect load ls list mount prune pull push rm remove save tag tree unmount umount untag" -f -a "copy" -d 'Copy an image from one place to another'
complete -c dhow -n "__fish_dhow_using_subcommand image; and not __fish_seen_subcommand_from copy exists diff history import inspect load ls list mount prune pull push rm remove save tag tree unmount umount untag" -f -a "exists" -d 'Check if an image exists'
complete -c dhow -n "__fish_dhow_using_subcommand image; and not __fish_seen_subcommand_from copy exists diff history import inspect load ls list mount prune pull push rm remove save tag tree unmount umount untag" -f -a "diff" -d 'Show what an image\'s top layer changed of those below'
complete -c dhow -n "__fish_dhow_using_subcommand image; and not __fish_seen_subcommand_from copy exists diff history import inspect load ls list mount prune pull push rm remove save tag tree unmount umount untag" -f -a "history" -d 'Show the history of an image'
complete -c dhow -n "__fish_dhow_using_subcommand image; and not __fish_seen_subcommand_from copy exists diff history import inspect load ls list mount prune pull push rm remove save tag tree unmount umount untag" -f -a "import" -d 'Make an image from the tar of a file system'
complete -c dhow -n "__fish_dhow_using_subcommand image; and not __fish_seen_subcommand_from copy exists diff history import inspect load ls list mount prune pull push rm remove save tag tree unmount umount untag" -f -a "inspect" -d 'Display the configuration of one or more images'
complete -c dhow -n "__fish_dhow_using_subcommand image; and not __fish_seen_subcommand_from copy exists diff history import inspect load ls list mount prune pull push rm remove save tag tree unmount umount untag" -f -a "load" -d 'Load images from an archive'
complete -c dhow -n "__fish_dhow_using_subcommand image; and not __fish_seen_subcommand_from copy exists diff history import inspect load ls list mount prune pull push rm remove save tag tree unmount umount untag" -f -a "ls" -d 'List images'
complete -c dhow -n "__fish_dhow_using_subcommand image; and not __fish_seen_subcommand_from copy exists diff history import inspect load ls list mount prune pull push rm remove save tag tree unmount umount untag" -f -a "list" -d 'List images'
complete -c dhow -n "__fish_dhow_using_subcommand image; and not __fish_seen_subcommand_from copy exists diff history import inspect load ls list mount prune pull push rm remove save tag tree unmount umount untag" -f -a "mount" -d 'Mount images, read-only, and print where; without names: list what is mounted'
complete -c dhow -n "__fish_dhow_using_subcommand image; and not __fish_seen_subcommand_from copy exists diff history import inspect load ls list mount prune pull push rm remove save tag tree unmount umount untag" -f -a "prune" -d 'Remove unused images'
complete -c dhow -n "__fish_dhow_using_subcommand image; and not __fish_seen_subcommand_from copy exists diff history import inspect load ls list mount prune pull push rm remove save tag tree unmount umount untag" -f -a "pull" -d 'Pull images from a registry'
complete -c dhow -n "__fish_dhow_using_subcommand image; and not __fish_seen_subcommand_from copy exists diff history import inspect load ls list mount prune pull push rm remove save tag tree unmount umount untag" -f -a "push" -d 'Push an image to a registry'
complete -c dhow -n "__fish_dhow_using_subcommand image; and not __fish_seen_subcommand_from copy exists diff history import inspect load ls list mount prune pull push rm remove save tag tree unmount umount untag" -f -a "rm" -d 'Remove one or more images'
complete -c dhow -n "__fish_dhow_using_subcommand image; and not __fish_seen_subcommand_from copy exists diff history import inspect load ls list mount prune pull push rm remove save tag tree unmount umount untag" -f -a "remove" -d 'Remove one or more images'
complete -c dhow -n "__fish_dhow_using_subcommand image; and not __fish_seen_subcommand_from copy exists diff history import inspect load ls list mount prune pull push rm remove save tag tree unmount umount untag" -f -a "save" -d 'Save images to an archive'
complete -c dhow -n "__fish_dhow_using_subcommand image; and not __fish_seen_subcommand_from copy exists diff history import inspect load ls list mount prune pull push rm remove save tag tree unmount umount untag" -f -a "tag" -d 'Give an image additional names'
complete -c dhow -n "__fish_dhow_using_subcommand image; and not __fish_seen_subcommand_from copy exists diff history import inspect load ls list mount prune pull push rm remove save tag tree unmount umount untag" -f -a "tree" -d 'Show the layers of an image'
complete -c dhow -n "__fish_dhow_using_subcommand image; and not __fish_seen_subcommand_from copy exists diff history import inspect load ls list mount prune pull push rm remove save tag tree unmount umount untag" -f -a "unmount" -d 'Unmount images'
complete -c dhow -n "__fish_dhow_using_subcommand image; and not __fish_seen_subcommand_from copy exists diff history import inspect load ls list mount prune pull push rm remove save tag tree unmount umount untag" -f -a "umount" -d 'Unmount images'
complete -c dhow -n "__fish_dhow_using_subcommand image; and not __fish_seen_subcommand_from copy exists diff history import inspect load ls list mount prune pull push rm remove save tag tree unmount umount untag" -f -a "untag" -d 'Take names from an image'
complete -c dhow -n "__fish_dhow_using_subcommand image; and __fish_seen_subcommand_from copy" -l authfile -d 'The file of credentials, instead of the user\'s' -r -F
complete -c dhow -n "__fish_dhow_using_subcommand image; and __fish_seen_subcommand_from copy" -l compression-format -l dest-compress-format -d 'How layers go: gzip or zstd' -r
complete -c dhow -n "__fish_dhow_using_subcommand image; and __fish_seen_subcommand_from copy" -l compression-level -l dest-compress-level -d 'How hard they are packed: gzip 1 to 9, zstd 1 to 20' -r
complete -c dhow -n "__fish_dhow_using_subcommand image; and __fish_seen_subcommand_from copy" -l dest-cert-dir -d 'The destination\'s directory of certificates and keys' -r -F
complete -c dhow -n "__fish_dhow_using_subcommand image; and __fish_seen_subcommand_from copy" -l dest-creds -d 'Whose credentials the destination gets: USER[:PASSWORD]' -r
complete -c dhow -n "__fish_dhow_using_subcommand image; and __fish_seen_subcommand_from copy" -l dest-tls-verify -d 'Require HTTPS of the destination and verify its certificates' -r -f -a "true\t''
false\t''"
complete -c dhow -n "__fish_dhow_using_subcommand image; and __fish_seen_subcommand_from copy" -l digestfile -d 'Write the digest of the manifest to a file' -r -F
complete -c dhow -n "__fish_dhow_using_subcommand image; and __fish_seen_subcommand_from copy" -s f -l format -d 'The manifest\'s format: oci or v2s2; that of the image where none is given' -r
complete -c dhow -n "__fish_dhow_using_subcommand image; and __fish_seen_subcommand_from copy" -l arch -d 'The architecture, instead of this machine\'s' -r
complete -c dhow -n "__fish_dhow_using_subcommand image; and __fish_seen_subcommand_from copy" -l os -d 'The operating system, instead of this one' -r
complete -c dhow -n "__fish_dhow_using_subcommand image; and __fish_seen_subcommand_from copy" -l platform -d 'The platform: OS/ARCH[/VARIANT]' -r
complete -c dhow -n "__fish_dhow_using_subcommand image; and __fish_seen_subcommand_from copy" -l variant -d 'The variant of the architecture' -r
complete -c dhow -n "__fish_dhow_using_subcommand image; and __fish_seen_subcommand_from copy" -l retry -d 'How often a request is tried again' -r
complete -c dhow -n "__fish_dhow_using_subcommand image; and __fish_seen_subcommand_from copy" -l retry-delay -d 'The pause before that, such as 500ms or 2s' -r
complete -c dhow -n "__fish_dhow_using_subcommand image; and __fish_seen_subcommand_from copy" -l src-cert-dir -d 'The source\'s directory of certificates and keys' -r -F
complete -c dhow -n "__fish_dhow_using_subcommand image; and __fish_seen_subcommand_from copy" -l src-creds -d 'Whose credentials the source gets: USER[:PASSWORD]' -r
complete -c dhow -n "__fish_dhow_using_subcommand image; and __fish_seen_subcommand_from copy" -l src-tls-verify -d 'Require HTTPS of the source and verify its certificates' -r -f -a "true\t''
false\t''"
complete -c dhow -n "__fish_dhow_using_subcommand image; and __fish_seen_subcommand_from copy" -s a -l all -d 'Copy every image of an index, and the index; between registries'
complete -c dhow -n "__fish_dhow_using_subcommand image; and __fish_seen_subcommand_from copy" -s q -l quiet -d 'Say nothing'
complete -c dhow -n "__fish_dhow_using_subcommand image; and __fish_seen_subcommand_from copy" -s h -l help -d 'Print this help'
complete -c dhow -n "__fish_dhow_using_subcommand image; and __fish_seen_subcommand_from exists" -s h -l help -d 'Print this help'
complete -c dhow -n "__fish_dhow_using_subcommand image; and __fish_seen_subcommand_from diff" -l format -d 'The form: json' -r
complete -c dhow -n "__fish_dhow_using_subcommand image; and __fish_seen_subcommand_from diff" -s h -l help -d 'Print this help'
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
complete -c dhow -n "__fish_dhow_using_subcommand image; and __fish_seen_subcommand_from inspect" -l creds -d 'Whose credentials are used: USER[:PASSWORD]' -r
complete -c dhow -n "__fish_dhow_using_subcommand image; and __fish_seen_subcommand_from inspect" -s f -l format -d 'Change the output format to json or a Go template' -r
complete -c dhow -n "__fish_dhow_using_subcommand image; and __fish_seen_subcommand_from inspect" -l arch -d 'The architecture, instead of this machine\'s' -r
complete -c dhow -n "__fish_dhow_using_subcommand image; and __fish_seen_subcommand_from inspect" -l os -d 'The operating system, instead of this one' -r
complete -c dhow -n "__fish_dhow_using_subcommand image; and __fish_seen_subcommand_from inspect" -l platform -d 'The platform: OS/ARCH[/VARIANT]' -r
complete -c dhow -n "__fish_dhow_using_subcommand image; and __fish_seen_subcommand_from inspect" -l variant -d 'The variant of the architecture' -r
complete -c dhow -n "__fish_dhow_using_subcommand image; and __fish_seen_subcommand_from inspect" -l authfile -d 'The file of credentials, instead of the user\'s' -r -F
complete -c dhow -n "__fish_dhow_using_subcommand image; and __fish_seen_subcommand_from inspect" -l cert-dir -d 'The directory of certificates and keys' -r -F
complete -c dhow -n "__fish_dhow_using_subcommand image; and __fish_seen_subcommand_from inspect" -l tls-verify -d 'Require HTTPS and verify certificates' -r -f -a "true\t''
false\t''"
complete -c dhow -n "__fish_dhow_using_subcommand image; and __fish_seen_subcommand_from inspect" -l config -d 'The configuration as it is, of an image that is not in the store'
complete -c dhow -n "__fish_dhow_using_subcommand image; and __fish_seen_subcommand_from inspect" -l raw -d 'The manifest or index as it is, of an image that is not in the store'
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
complete -c dhow -n "__fish_dhow_using_subcommand image; and __fish_seen_subcommand_from mount" -l format -d 'The form of the list: json' -r
complete -c dhow -n "__fish_dhow_using_subcommand image; and __fish_seen_subcommand_from mount" -s a -l all -d 'All images'
complete -c dhow -n "__fish_dhow_using_subcommand image; and __fish_seen_subcommand_from mount" -s h -l help -d 'Print this help'
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
complete -c dhow -n "__fish_dhow_using_subcommand image; and __fish_seen_subcommand_from pull" -l retry-delay -d 'The pause before that, such as 500ms or 2s' -r
complete -c dhow -n "__fish_dhow_using_subcommand image; and __fish_seen_subcommand_from pull" -l arch -d 'The architecture, instead of this machine\'s' -r
complete -c dhow -n "__fish_dhow_using_subcommand image; and __fish_seen_subcommand_from pull" -l os -d 'The operating system, instead of this one' -r
complete -c dhow -n "__fish_dhow_using_subcommand image; and __fish_seen_subcommand_from pull" -l platform -d 'The platform: OS/ARCH[/VARIANT]' -r
complete -c dhow -n "__fish_dhow_using_subcommand image; and __fish_seen_subcommand_from pull" -l variant -d 'The variant of the architecture' -r
complete -c dhow -n "__fish_dhow_using_subcommand image; and __fish_seen_subcommand_from pull" -l authfile -d 'The file of credentials, instead of the user\'s' -r -F
complete -c dhow -n "__fish_dhow_using_subcommand image; and __fish_seen_subcommand_from pull" -l cert-dir -d 'The directory of certificates and keys' -r -F
complete -c dhow -n "__fish_dhow_using_subcommand image; and __fish_seen_subcommand_from pull" -l tls-verify -d 'Require HTTPS and verify certificates' -r -f -a "true\t''
false\t''"
complete -c dhow -n "__fish_dhow_using_subcommand image; and __fish_seen_subcommand_from pull" -s a -l all-tags -d 'Pull all tags of the repository'
complete -c dhow -n "__fish_dhow_using_subcommand image; and __fish_seen_subcommand_from pull" -l disable-content-trust -d 'Docker\'s; it does nothing'
complete -c dhow -n "__fish_dhow_using_subcommand image; and __fish_seen_subcommand_from pull" -s q -l quiet -d 'Say nothing but the ids'
complete -c dhow -n "__fish_dhow_using_subcommand image; and __fish_seen_subcommand_from pull" -s h -l help -d 'Print this help'
complete -c dhow -n "__fish_dhow_using_subcommand image; and __fish_seen_subcommand_from push" -l compression-format -d 'How layers that are not packed go: gzip or zstd' -r
complete -c dhow -n "__fish_dhow_using_subcommand image; and __fish_seen_subcommand_from push" -l compression-level -d 'How hard they are packed: gzip 1 to 9, zstd 1 to 20' -r
complete -c dhow -n "__fish_dhow_using_subcommand image; and __fish_seen_subcommand_from push" -l creds -d 'Whose credentials are used: USER[:PASSWORD]' -r
complete -c dhow -n "__fish_dhow_using_subcommand image; and __fish_seen_subcommand_from push" -l digestfile -d 'Write the digest of the manifest to a file' -r -F
complete -c dhow -n "__fish_dhow_using_subcommand image; and __fish_seen_subcommand_from push" -s f -l format -d 'The manifest\'s format: oci or v2s2; that of the image where none is given' -r
complete -c dhow -n "__fish_dhow_using_subcommand image; and __fish_seen_subcommand_from push" -l retry -d 'How often a request is tried again' -r
complete -c dhow -n "__fish_dhow_using_subcommand image; and __fish_seen_subcommand_from push" -l retry-delay -d 'The pause before that, such as 500ms or 2s' -r
complete -c dhow -n "__fish_dhow_using_subcommand image; and __fish_seen_subcommand_from push" -l authfile -d 'The file of credentials, instead of the user\'s' -r -F
complete -c dhow -n "__fish_dhow_using_subcommand image; and __fish_seen_subcommand_from push" -l cert-dir -d 'The directory of certificates and keys' -r -F
complete -c dhow -n "__fish_dhow_using_subcommand image; and __fish_seen_subcommand_from push" -l tls-verify -d 'Require HTTPS and verify certificates' -r -f -a "true\t''
false\t''"
complete -c dhow -n "__fish_dhow_using_subcommand image; and __fish_seen_subcommand_from push" -l compress -d 'Pack layers that are not packed also for a directory or archive'
complete -c dhow -n "__fish_dhow_using_subcommand image; and __fish_seen_subcommand_from push" -l disable-content-trust -d 'Docker\'s; it does nothing'
complete -c dhow -n "__fish_dhow_using_subcommand image; and __fish_seen_subcommand_from push" -l force-compression -d 'Pack layers anew that are packed otherwise'
complete -c dhow -n "__fish_dhow_using_subcommand image; and __fish_seen_subcommand_from push" -s q -l quiet -d 'Say nothing'
complete -c dhow -n "__fish_dhow_using_subcommand image; and __fish_seen_subcommand_from push" -l remove-signatures -d 'There are none; accepted for podman\'s sake'
complete -c dhow -n "__fish_dhow_using_subcommand image; and __fish_seen_subcommand_from push" -s h -l help -d 'Print this help'
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
complete -c dhow -n "__fish_dhow_using_subcommand image; and __fish_seen_subcommand_from save" -l format -d 'The format: docker-archive, oci-archive, docker-dir or oci-dir' -r
complete -c dhow -n "__fish_dhow_using_subcommand image; and __fish_seen_subcommand_from save" -s o -l output -d 'The file, instead of standard output' -r -F
complete -c dhow -n "__fish_dhow_using_subcommand image; and __fish_seen_subcommand_from save" -l uncompressed -d 'Layers are saved as they are kept; accepted for podman\'s sake'
complete -c dhow -n "__fish_dhow_using_subcommand image; and __fish_seen_subcommand_from save" -s m -l multi-image-archive -d 'Every argument is an image, not a name of the first'
complete -c dhow -n "__fish_dhow_using_subcommand image; and __fish_seen_subcommand_from save" -s q -l quiet -d 'Say nothing'
complete -c dhow -n "__fish_dhow_using_subcommand image; and __fish_seen_subcommand_from save" -s h -l help -d 'Print this help'
complete -c dhow -n "__fish_dhow_using_subcommand image; and __fish_seen_subcommand_from tag" -s h -l help -d 'Print this help'
complete -c dhow -n "__fish_dhow_using_subcommand image; and __fish_seen_subcommand_from tree" -l whatrequires -d 'Show what other images put on the image\'s top layer'
complete -c dhow -n "__fish_dhow_using_subcommand image; and __fish_seen_subcommand_from tree" -s h -l help -d 'Print this help'
complete -c dhow -n "__fish_dhow_using_subcommand image; and __fish_seen_subcommand_from unmount" -s a -l all -d 'All that are mounted'
complete -c dhow -n "__fish_dhow_using_subcommand image; and __fish_seen_subcommand_from unmount" -s f -l force -d 'Accepted; nothing counts the mounts of an image'
complete -c dhow -n "__fish_dhow_using_subcommand image; and __fish_seen_subcommand_from unmount" -s h -l help -d 'Print this help'
complete -c dhow -n "__fish_dhow_using_subcommand image; and __fish_seen_subcommand_from umount" -s a -l all -d 'All that are mounted'
complete -c dhow -n "__fish_dhow_using_subcommand image; and __fish_seen_subcommand_from umount" -s f -l force -d 'Accepted; nothing counts the mounts of an image'
complete -c dhow -n "__fish_dhow_using_subcommand image; and __fish_seen_subcommand_from umount" -s h -l help -d 'Print this help'
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
complete -c dhow -n "__fish_dhow_using_subcommand inspect" -s l -l latest -d 'The container that was created last'
complete -c dhow -n "__fish_dhow_using_subcommand inspect" -s s -l size -d 'Sizes of containers too'
complete -c dhow -n "__fish_dhow_using_subcommand inspect" -s h -l help -d 'Print this help'
complete -c dhow -n "__fish_dhow_using_subcommand kill" -l cidfile -d 'Read a container\'s ID from a file' -r -F
complete -c dhow -n "__fish_dhow_using_subcommand kill" -s s -l signal -d 'The signal, by name or number' -r
complete -c dhow -n "__fish_dhow_using_subcommand kill" -s a -l all -d 'All running containers'
complete -c dhow -n "__fish_dhow_using_subcommand kill" -s l -l latest -d 'The container that was created last'
complete -c dhow -n "__fish_dhow_using_subcommand kill" -s h -l help -d 'Print this help'
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
complete -c dhow -n "__fish_dhow_using_subcommand logs" -l since -d 'Only what was written since: a time, or a duration before now' -r
complete -c dhow -n "__fish_dhow_using_subcommand logs" -l tail -d 'Only so many lines from the end' -r
complete -c dhow -n "__fish_dhow_using_subcommand logs" -l until -d 'Only what was written until: a time, or a duration from now' -r
complete -c dhow -n "__fish_dhow_using_subcommand logs" -l color -d 'A color of its own for each container\'s name'
complete -c dhow -n "__fish_dhow_using_subcommand logs" -s f -l follow -d 'Go on until the container ends'
complete -c dhow -n "__fish_dhow_using_subcommand logs" -s l -l latest -d 'The container that was created last'
complete -c dhow -n "__fish_dhow_using_subcommand logs" -s n -l names -d 'Begin each line with the container\'s name'
complete -c dhow -n "__fish_dhow_using_subcommand logs" -s t -l timestamps -d 'Begin each line with its time'
complete -c dhow -n "__fish_dhow_using_subcommand logs" -s h -l help -d 'Print this help'
complete -c dhow -n "__fish_dhow_using_subcommand manifest; and not __fish_seen_subcommand_from add annotate create exists inspect push remove rm" -s h -l help -d 'Print this help'
complete -c dhow -n "__fish_dhow_using_subcommand manifest; and not __fish_seen_subcommand_from add annotate create exists inspect push remove rm" -f -a "add" -d 'Add images to a list'
complete -c dhow -n "__fish_dhow_using_subcommand manifest; and not __fish_seen_subcommand_from add annotate create exists inspect push remove rm" -f -a "annotate" -d 'Change what a list says of an image'
complete -c dhow -n "__fish_dhow_using_subcommand manifest; and not __fish_seen_subcommand_from add annotate create exists inspect push remove rm" -f -a "create" -d 'Make a list of images for several platforms'
complete -c dhow -n "__fish_dhow_using_subcommand manifest; and not __fish_seen_subcommand_from add annotate create exists inspect push remove rm" -f -a "exists" -d 'Check if a list exists'
complete -c dhow -n "__fish_dhow_using_subcommand manifest; and not __fish_seen_subcommand_from add annotate create exists inspect push remove rm" -f -a "inspect" -d 'Display a list, of the store or of a registry'
complete -c dhow -n "__fish_dhow_using_subcommand manifest; and not __fish_seen_subcommand_from add annotate create exists inspect push remove rm" -f -a "push" -d 'Push a list and its images to a registry'
complete -c dhow -n "__fish_dhow_using_subcommand manifest; and not __fish_seen_subcommand_from add annotate create exists inspect push remove rm" -f -a "remove" -d 'Take an image from a list'
complete -c dhow -n "__fish_dhow_using_subcommand manifest; and not __fish_seen_subcommand_from add annotate create exists inspect push remove rm" -f -a "rm" -d 'Remove lists from the store'
complete -c dhow -n "__fish_dhow_using_subcommand manifest; and __fish_seen_subcommand_from add" -l creds -d 'Whose credentials are used: USER[:PASSWORD]' -r
complete -c dhow -n "__fish_dhow_using_subcommand manifest; and __fish_seen_subcommand_from add" -l annotation -d 'Annotate the image: KEY=VALUE' -r
complete -c dhow -n "__fish_dhow_using_subcommand manifest; and __fish_seen_subcommand_from add" -l arch -d 'The architecture, instead of the image\'s own' -r
complete -c dhow -n "__fish_dhow_using_subcommand manifest; and __fish_seen_subcommand_from add" -l features -d 'What the processor must have; only Docker\'s lists say so' -r
complete -c dhow -n "__fish_dhow_using_subcommand manifest; and __fish_seen_subcommand_from add" -l os -d 'The operating system, instead of the image\'s own' -r
complete -c dhow -n "__fish_dhow_using_subcommand manifest; and __fish_seen_subcommand_from add" -l os-features -d 'What the operating system must have' -r
complete -c dhow -n "__fish_dhow_using_subcommand manifest; and __fish_seen_subcommand_from add" -l os-version -d 'The version of the operating system' -r
complete -c dhow -n "__fish_dhow_using_subcommand manifest; and __fish_seen_subcommand_from add" -l variant -d 'The variant of the architecture' -r
complete -c dhow -n "__fish_dhow_using_subcommand manifest; and __fish_seen_subcommand_from add" -l authfile -d 'The file of credentials, instead of the user\'s' -r -F
complete -c dhow -n "__fish_dhow_using_subcommand manifest; and __fish_seen_subcommand_from add" -l cert-dir -d 'The directory of certificates and keys' -r -F
complete -c dhow -n "__fish_dhow_using_subcommand manifest; and __fish_seen_subcommand_from add" -l tls-verify -d 'Require HTTPS and verify certificates' -r -f -a "true\t''
false\t''"
complete -c dhow -n "__fish_dhow_using_subcommand manifest; and __fish_seen_subcommand_from add" -l all -d 'Add all images of an image that is a list itself'
complete -c dhow -n "__fish_dhow_using_subcommand manifest; and __fish_seen_subcommand_from add" -s h -l help -d 'Print this help'
complete -c dhow -n "__fish_dhow_using_subcommand manifest; and __fish_seen_subcommand_from annotate" -l annotation -d 'Annotate the image: KEY=VALUE' -r
complete -c dhow -n "__fish_dhow_using_subcommand manifest; and __fish_seen_subcommand_from annotate" -l arch -d 'The architecture, instead of the image\'s own' -r
complete -c dhow -n "__fish_dhow_using_subcommand manifest; and __fish_seen_subcommand_from annotate" -l features -d 'What the processor must have; only Docker\'s lists say so' -r
complete -c dhow -n "__fish_dhow_using_subcommand manifest; and __fish_seen_subcommand_from annotate" -l os -d 'The operating system, instead of the image\'s own' -r
complete -c dhow -n "__fish_dhow_using_subcommand manifest; and __fish_seen_subcommand_from annotate" -l os-features -d 'What the operating system must have' -r
complete -c dhow -n "__fish_dhow_using_subcommand manifest; and __fish_seen_subcommand_from annotate" -l os-version -d 'The version of the operating system' -r
complete -c dhow -n "__fish_dhow_using_subcommand manifest; and __fish_seen_subcommand_from annotate" -l variant -d 'The variant of the architecture' -r
complete -c dhow -n "__fish_dhow_using_subcommand manifest; and __fish_seen_subcommand_from annotate" -s h -l help -d 'Print this help'
complete -c dhow -n "__fish_dhow_using_subcommand manifest; and __fish_seen_subcommand_from create" -l authfile -d 'The file of credentials, instead of the user\'s' -r -F
complete -c dhow -n "__fish_dhow_using_subcommand manifest; and __fish_seen_subcommand_from create" -l cert-dir -d 'The directory of certificates and keys' -r -F
complete -c dhow -n "__fish_dhow_using_subcommand manifest; and __fish_seen_subcommand_from create" -l tls-verify -d 'Require HTTPS and verify certificates' -r -f -a "true\t''
false\t''"
complete -c dhow -n "__fish_dhow_using_subcommand manifest; and __fish_seen_subcommand_from create" -l all -d 'Add all images of an image that is a list itself'
complete -c dhow -n "__fish_dhow_using_subcommand manifest; and __fish_seen_subcommand_from create" -s a -l amend -d 'Add to a list that exists'
complete -c dhow -n "__fish_dhow_using_subcommand manifest; and __fish_seen_subcommand_from create" -s h -l help -d 'Print this help'
complete -c dhow -n "__fish_dhow_using_subcommand manifest; and __fish_seen_subcommand_from exists" -s h -l help -d 'Print this help'
complete -c dhow -n "__fish_dhow_using_subcommand manifest; and __fish_seen_subcommand_from inspect" -l authfile -d 'The file of credentials, instead of the user\'s' -r -F
complete -c dhow -n "__fish_dhow_using_subcommand manifest; and __fish_seen_subcommand_from inspect" -l cert-dir -d 'The directory of certificates and keys' -r -F
complete -c dhow -n "__fish_dhow_using_subcommand manifest; and __fish_seen_subcommand_from inspect" -l tls-verify -d 'Require HTTPS and verify certificates' -r -f -a "true\t''
false\t''"
complete -c dhow -n "__fish_dhow_using_subcommand manifest; and __fish_seen_subcommand_from inspect" -s h -l help -d 'Print this help'
complete -c dhow -n "__fish_dhow_using_subcommand manifest; and __fish_seen_subcommand_from push" -l all -d 'Push the images of the list too' -r -f -a "true\t''
false\t''"
complete -c dhow -n "__fish_dhow_using_subcommand manifest; and __fish_seen_subcommand_from push" -l compression-format -d 'How layers go: gzip or zstd' -r
complete -c dhow -n "__fish_dhow_using_subcommand manifest; and __fish_seen_subcommand_from push" -l creds -d 'Whose credentials are used: USER[:PASSWORD]' -r
complete -c dhow -n "__fish_dhow_using_subcommand manifest; and __fish_seen_subcommand_from push" -l digestfile -d 'Write the digest of the list to a file' -r -F
complete -c dhow -n "__fish_dhow_using_subcommand manifest; and __fish_seen_subcommand_from push" -s f -l format -d 'The format of the list and its images: oci or v2s2; what they are where none is given' -r
complete -c dhow -n "__fish_dhow_using_subcommand manifest; and __fish_seen_subcommand_from push" -l authfile -d 'The file of credentials, instead of the user\'s' -r -F
complete -c dhow -n "__fish_dhow_using_subcommand manifest; and __fish_seen_subcommand_from push" -l cert-dir -d 'The directory of certificates and keys' -r -F
complete -c dhow -n "__fish_dhow_using_subcommand manifest; and __fish_seen_subcommand_from push" -l tls-verify -d 'Require HTTPS and verify certificates' -r -f -a "true\t''
false\t''"
complete -c dhow -n "__fish_dhow_using_subcommand manifest; and __fish_seen_subcommand_from push" -s q -l quiet -d 'Say nothing'
complete -c dhow -n "__fish_dhow_using_subcommand manifest; and __fish_seen_subcommand_from push" -l remove-signatures -d 'There are none; accepted for podman\'s sake'
complete -c dhow -n "__fish_dhow_using_subcommand manifest; and __fish_seen_subcommand_from push" -l rm -d 'Remove the list when it was pushed'
complete -c dhow -n "__fish_dhow_using_subcommand manifest; and __fish_seen_subcommand_from push" -s h -l help -d 'Print this help'
complete -c dhow -n "__fish_dhow_using_subcommand manifest; and __fish_seen_subcommand_from remove" -s h -l help -d 'Print this help'
complete -c dhow -n "__fish_dhow_using_subcommand manifest; and __fish_seen_subcommand_from rm" -s h -l help -d 'Print this help'
complete -c dhow -n "__fish_dhow_using_subcommand mount" -l format -d 'The form of the list: json' -r
complete -c dhow -n "__fish_dhow_using_subcommand mount" -s a -l all -d 'All containers'
complete -c dhow -n "__fish_dhow_using_subcommand mount" -s l -l latest -d 'The container that was created last'
complete -c dhow -n "__fish_dhow_using_subcommand mount" -l notruncate -l no-trunc -d 'Whole ids in the list'
complete -c dhow -n "__fish_dhow_using_subcommand mount" -s h -l help -d 'Print this help'
complete -c dhow -n "__fish_dhow_using_subcommand pause" -l cidfile -d 'Read a container\'s ID from a file' -r -F
complete -c dhow -n "__fish_dhow_using_subcommand pause" -s f -l filter -d 'Pause what the filter chooses' -r
complete -c dhow -n "__fish_dhow_using_subcommand pause" -s a -l all -d 'All running containers'
complete -c dhow -n "__fish_dhow_using_subcommand pause" -s l -l latest -d 'The container that was created last'
complete -c dhow -n "__fish_dhow_using_subcommand pause" -s h -l help -d 'Print this help'
complete -c dhow -n "__fish_dhow_using_subcommand port" -s a -l all -d 'Of all running containers'
complete -c dhow -n "__fish_dhow_using_subcommand port" -s l -l latest -d 'The container that was created last'
complete -c dhow -n "__fish_dhow_using_subcommand port" -s h -l help -d 'Print this help'
complete -c dhow -n "__fish_dhow_using_subcommand ps" -s f -l filter -d 'List what the filter chooses: ancestor, before, command, exited, id, label, name, network, since, status, until, volume' -r
complete -c dhow -n "__fish_dhow_using_subcommand ps" -l format -d 'json, table, or a Go template' -r
complete -c dhow -n "__fish_dhow_using_subcommand ps" -s n -l last -d 'So many of the containers that were created last' -r
complete -c dhow -n "__fish_dhow_using_subcommand ps" -l sort -d 'Order: command, created, id, image, names, runningfor, size, status' -r
complete -c dhow -n "__fish_dhow_using_subcommand ps" -s w -l watch -d 'Show it again and again, every so many seconds' -r
complete -c dhow -n "__fish_dhow_using_subcommand ps" -s a -l all -d 'All containers, whatever their state'
complete -c dhow -n "__fish_dhow_using_subcommand ps" -l external -d 'Accepted; there are no containers of other tools'
complete -c dhow -n "__fish_dhow_using_subcommand ps" -s l -l latest -d 'The container that was created last'
complete -c dhow -n "__fish_dhow_using_subcommand ps" -l ns -d 'Namespaces of the containers'
complete -c dhow -n "__fish_dhow_using_subcommand ps" -l no-trunc -d 'IDs in full, and whole commands'
complete -c dhow -n "__fish_dhow_using_subcommand ps" -l noheading -d 'No headings'
complete -c dhow -n "__fish_dhow_using_subcommand ps" -s p -l pod -d 'Accepted; there are no pods yet'
complete -c dhow -n "__fish_dhow_using_subcommand ps" -s q -l quiet -d 'IDs alone'
complete -c dhow -n "__fish_dhow_using_subcommand ps" -s s -l size -d 'Sizes of the writable layers too'
complete -c dhow -n "__fish_dhow_using_subcommand ps" -l sync -d 'Accepted; what is listed is always true'
complete -c dhow -n "__fish_dhow_using_subcommand ps" -s h -l help -d 'Print this help'
complete -c dhow -n "__fish_dhow_using_subcommand pull" -l creds -d 'Whose credentials are used: USER[:PASSWORD]' -r
complete -c dhow -n "__fish_dhow_using_subcommand pull" -l policy -d 'When the registry is asked: always, missing, never, newer' -r -f -a "always\t''
missing\t''
never\t''
newer\t''"
complete -c dhow -n "__fish_dhow_using_subcommand pull" -l retry -d 'How often a request is tried again' -r
complete -c dhow -n "__fish_dhow_using_subcommand pull" -l retry-delay -d 'The pause before that, such as 500ms or 2s' -r
complete -c dhow -n "__fish_dhow_using_subcommand pull" -l arch -d 'The architecture, instead of this machine\'s' -r
complete -c dhow -n "__fish_dhow_using_subcommand pull" -l os -d 'The operating system, instead of this one' -r
complete -c dhow -n "__fish_dhow_using_subcommand pull" -l platform -d 'The platform: OS/ARCH[/VARIANT]' -r
complete -c dhow -n "__fish_dhow_using_subcommand pull" -l variant -d 'The variant of the architecture' -r
complete -c dhow -n "__fish_dhow_using_subcommand pull" -l authfile -d 'The file of credentials, instead of the user\'s' -r -F
complete -c dhow -n "__fish_dhow_using_subcommand pull" -l cert-dir -d 'The directory of certificates and keys' -r -F
complete -c dhow -n "__fish_dhow_using_subcommand pull" -l tls-verify -d 'Require HTTPS and verify certificates' -r -f -a "true\t''
false\t''"
complete -c dhow -n "__fish_dhow_using_subcommand pull" -s a -l all-tags -d 'Pull all tags of the repository'
complete -c dhow -n "__fish_dhow_using_subcommand pull" -l disable-content-trust -d 'Docker\'s; it does nothing'
complete -c dhow -n "__fish_dhow_using_subcommand pull" -s q -l quiet -d 'Say nothing but the ids'
complete -c dhow -n "__fish_dhow_using_subcommand pull" -s h -l help -d 'Print this help'
complete -c dhow -n "__fish_dhow_using_subcommand push" -l compression-format -d 'How layers that are not packed go: gzip or zstd' -r
complete -c dhow -n "__fish_dhow_using_subcommand push" -l compression-level -d 'How hard they are packed: gzip 1 to 9, zstd 1 to 20' -r
complete -c dhow -n "__fish_dhow_using_subcommand push" -l creds -d 'Whose credentials are used: USER[:PASSWORD]' -r
complete -c dhow -n "__fish_dhow_using_subcommand push" -l digestfile -d 'Write the digest of the manifest to a file' -r -F
complete -c dhow -n "__fish_dhow_using_subcommand push" -s f -l format -d 'The manifest\'s format: oci or v2s2; that of the image where none is given' -r
complete -c dhow -n "__fish_dhow_using_subcommand push" -l retry -d 'How often a request is tried again' -r
complete -c dhow -n "__fish_dhow_using_subcommand push" -l retry-delay -d 'The pause before that, such as 500ms or 2s' -r
complete -c dhow -n "__fish_dhow_using_subcommand push" -l authfile -d 'The file of credentials, instead of the user\'s' -r -F
complete -c dhow -n "__fish_dhow_using_subcommand push" -l cert-dir -d 'The directory of certificates and keys' -r -F
complete -c dhow -n "__fish_dhow_using_subcommand push" -l tls-verify -d 'Require HTTPS and verify certificates' -r -f -a "true\t''
false\t''"
complete -c dhow -n "__fish_dhow_using_subcommand push" -l compress -d 'Pack layers that are not packed also for a directory or archive'
complete -c dhow -n "__fish_dhow_using_subcommand push" -l disable-content-trust -d 'Docker\'s; it does nothing'
complete -c dhow -n "__fish_dhow_using_subcommand push" -l force-compression -d 'Pack layers anew that are packed otherwise'
complete -c dhow -n "__fish_dhow_using_subcommand push" -s q -l quiet -d 'Say nothing'
complete -c dhow -n "__fish_dhow_using_subcommand push" -l remove-signatures -d 'There are none; accepted for podman\'s sake'
complete -c dhow -n "__fish_dhow_using_subcommand push" -s h -l help -d 'Print this help'
complete -c dhow -n "__fish_dhow_using_subcommand rename" -s h -l help -d 'Print this help'
complete -c dhow -n "__fish_dhow_using_subcommand restart" -l cidfile -d 'Read a container\'s ID from a file' -r -F
complete -c dhow -n "__fish_dhow_using_subcommand restart" -s f -l filter -d 'Restart what the filter chooses' -r
complete -c dhow -n "__fish_dhow_using_subcommand restart" -s t -l time -d 'Seconds of grace; -1 waits forever' -r
complete -c dhow -n "__fish_dhow_using_subcommand restart" -s a -l all -d 'All containers, whatever their state'
complete -c dhow -n "__fish_dhow_using_subcommand restart" -s l -l latest -d 'The container that was created last'
complete -c dhow -n "__fish_dhow_using_subcommand restart" -l running -d 'All containers that run'
complete -c dhow -n "__fish_dhow_using_subcommand restart" -s h -l help -d 'Print this help'
complete -c dhow -n "__fish_dhow_using_subcommand rm" -l cidfile -d 'Read a container\'s ID from a file' -r -F
complete -c dhow -n "__fish_dhow_using_subcommand rm" -l filter -d 'Remove what the filter chooses' -r
complete -c dhow -n "__fish_dhow_using_subcommand rm" -s t -l time -d 'With --force: seconds of grace; -1 waits forever' -r
complete -c dhow -n "__fish_dhow_using_subcommand rm" -s a -l all -d 'All containers'
complete -c dhow -n "__fish_dhow_using_subcommand rm" -l depend -d 'The containers that use its namespaces, too'
complete -c dhow -n "__fish_dhow_using_subcommand rm" -s f -l force -d 'Also those that run or cannot be read; one that does not exist is no error'
complete -c dhow -n "__fish_dhow_using_subcommand rm" -s i -l ignore -d 'A container that does not exist is no error'
complete -c dhow -n "__fish_dhow_using_subcommand rm" -s l -l latest -d 'The container that was created last'
complete -c dhow -n "__fish_dhow_using_subcommand rm" -s v -l volumes -d 'Anonymous volumes too'
complete -c dhow -n "__fish_dhow_using_subcommand rm" -s h -l help -d 'Print this help'
complete -c dhow -n "__fish_dhow_using_subcommand rmi" -s a -l all -d 'Remove all images'
complete -c dhow -n "__fish_dhow_using_subcommand rmi" -s f -l force -d 'Remove containers that use the image, and all its names'
complete -c dhow -n "__fish_dhow_using_subcommand rmi" -s i -l ignore -d 'An image that does not exist is no error'
complete -c dhow -n "__fish_dhow_using_subcommand rmi" -l no-prune -d 'Keep untagged parents; dhow has none'
complete -c dhow -n "__fish_dhow_using_subcommand rmi" -s h -l help -d 'Print this help'
complete -c dhow -n "__fish_dhow_using_subcommand run" -l preserve-fds -d 'Hand on this many descriptors, from 3 on' -r
complete -c dhow -n "__fish_dhow_using_subcommand run" -l sig-proxy -d 'Pass signals on to the container (the default)' -r -f -a "true\t''
false\t''"
complete -c dhow -n "__fish_dhow_using_subcommand run" -l add-host -d 'Add a line to the hosts file: NAME[;NAME...]:ADDRESS, where host-gateway is the host' -r
complete -c dhow -n "__fish_dhow_using_subcommand run" -l annotation -d 'Add an annotation, KEY=VALUE' -r
complete -c dhow -n "__fish_dhow_using_subcommand run" -l arch -d 'Architecture of the image' -r
complete -c dhow -n "__fish_dhow_using_subcommand run" -s a -l attach -d 'Attach only to these streams: stdin, stdout, stderr' -r
complete -c dhow -n "__fish_dhow_using_subcommand run" -l authfile -d 'File of registry credentials' -r -F
complete -c dhow -n "__fish_dhow_using_subcommand run" -l blkio-weight -d 'Relative weight of block input and output, 10 to 1000' -r
complete -c dhow -n "__fish_dhow_using_subcommand run" -l blkio-weight-device -d 'The same for one device, DEVICE:WEIGHT' -r
complete -c dhow -n "__fish_dhow_using_subcommand run" -l cap-add -d 'Add capabilities; all is every one' -r
complete -c dhow -n "__fish_dhow_using_subcommand run" -l cap-drop -d 'Drop capabilities; all is every one' -r
complete -c dhow -n "__fish_dhow_using_subcommand run" -l cert-dir -d 'Directory of certificates for registries' -r -F
complete -c dhow -n "__fish_dhow_using_subcommand run" -l cgroup-conf -d 'Write a file of the unified cgroup hierarchy, FILE=VALUE' -r
complete -c dhow -n "__fish_dhow_using_subcommand run" -l cgroup-parent -d 'Cgroup below which the container\'s is made' -r
complete -c dhow -n "__fish_dhow_using_subcommand run" -l cgroupns -d 'Cgroup namespace: private, host, container:ID, ns:PATH' -r
complete -c dhow -n "__fish_dhow_using_subcommand run" -l cgroups -d 'Which cgroups are made: enabled, disabled, no-conmon (the monitor stays with its starter), split (below the starter\'s)' -r
complete -c dhow -n "__fish_dhow_using_subcommand run" -l chrootdirs -d 'Directories inside that get the hosts file and the like too' -r
complete -c dhow -n "__fish_dhow_using_subcommand run" -l cidfile -d 'Write the container\'s id to this file, which must not exist' -r -F
complete -c dhow -n "__fish_dhow_using_subcommand run" -l conmon-pidfile -d 'Write the pid of the container\'s monitor to this file' -r -F
complete -c dhow -n "__fish_dhow_using_subcommand run" -l cpu-period -d 'Length of the scheduler\'s period in microseconds' -r
complete -c dhow -n "__fish_dhow_using_subcommand run" -l cpu-quota -d 'Microseconds of processor time in a period' -r
complete -c dhow -n "__fish_dhow_using_subcommand run" -l cpu-rt-period -d 'Length of the realtime scheduler\'s period in microseconds' -r
complete -c dhow -n "__fish_dhow_using_subcommand run" -l cpu-rt-runtime -d 'Microseconds of realtime in a period' -r
complete -c dhow -n "__fish_dhow_using_subcommand run" -s c -l cpu-shares -d 'Relative weight of processor time' -r
complete -c dhow -n "__fish_dhow_using_subcommand run" -l cpus -d 'Number of processors, with a fraction' -r
complete -c dhow -n "__fish_dhow_using_subcommand run" -l cpuset-cpus -d 'Processors that may be used: 0-3,5' -r
complete -c dhow -n "__fish_dhow_using_subcommand run" -l cpuset-mems -d 'Memory nodes that may be used' -r
complete -c dhow -n "__fish_dhow_using_subcommand run" -l creds -d 'Credentials for the registry, USER[:PASSWORD]' -r
complete -c dhow -n "__fish_dhow_using_subcommand run" -l detach-keys -d 'Keys that detach: characters and ctrl-a to ctrl-z, separated by commas; empty disables' -r
complete -c dhow -n "__fish_dhow_using_subcommand run" -l device -d 'Add a device of the host: HOST[:CONTAINER][:rwm]' -r
complete -c dhow -n "__fish_dhow_using_subcommand run" -l device-cgroup-rule -d 'Allow devices without adding them: KIND MAJOR:MINOR ACCESS, as c 1:* rwm' -r
complete -c dhow -n "__fish_dhow_using_subcommand run" -l device-read-bps -d 'Bytes in a second that are read from a device at most, DEVICE:SIZE' -r
complete -c dhow -n "__fish_dhow_using_subcommand run" -l device-read-iops -d 'Reads in a second from a device at most, DEVICE:NUMBER' -r
complete -c dhow -n "__fish_dhow_using_subcommand run" -l device-write-bps -d 'Bytes in a second that are written to a device at most, DEVICE:SIZE' -r
complete -c dhow -n "__fish_dhow_using_subcommand run" -l device-write-iops -d 'Writes in a second to a device at most, DEVICE:NUMBER' -r
complete -c dhow -n "__fish_dhow_using_subcommand run" -l disable-content-trust -d 'Has no effect, as in podman' -r -f -a "true\t''
false\t''"
complete -c dhow -n "__fish_dhow_using_subcommand run" -l dns -d 'Name servers; none leaves resolv.conf to the image' -r
complete -c dhow -n "__fish_dhow_using_subcommand run" -l dns-option -d 'Options of resolv.conf' -r
complete -c dhow -n "__fish_dhow_using_subcommand run" -l dns-search -d 'Search domains of resolv.conf' -r
complete -c dhow -n "__fish_dhow_using_subcommand run" -l entrypoint -d 'Replace the image\'s entrypoint: a command, or a JSON array of words' -r
complete -c dhow -n "__fish_dhow_using_subcommand run" -s e -l env -d 'Set a variable: NAME=VALUE, NAME for the caller\'s value, NAME* for all that begin so' -r
complete -c dhow -n "__fish_dhow_using_subcommand run" -l env-file -d 'Read variables from a file' -r -F
complete -c dhow -n "__fish_dhow_using_subcommand run" -l env-host -d 'Pass all of the caller\'s variables on' -r -f -a "true\t''
false\t''"
complete -c dhow -n "__fish_dhow_using_subcommand run" -l env-merge -d 'Set a variable from those of the image: NAME=${NAME}:more' -r
complete -c dhow -n "__fish_dhow_using_subcommand run" -l expose -d 'Expose a port or a range of ports' -r
complete -c dhow -n "__fish_dhow_using_subcommand run" -l gidmap -d 'Map group ids, INSIDE:OUTSIDE:SIZE' -r
complete -c dhow -n "__fish_dhow_using_subcommand run" -l group-add -d 'Add supplementary groups' -r
complete -c dhow -n "__fish_dhow_using_subcommand run" -l group-entry -d 'Line for the user\'s group in the container\'s group file, with $GROUPNAME, $GID and $USERLIST' -r
complete -c dhow -n "__fish_dhow_using_subcommand run" -s h -l hostname -d 'Host name of the container' -r
complete -c dhow -n "__fish_dhow_using_subcommand run" -l hosts-file -d 'File that the container\'s hosts file begins with: a path, image or none' -r
complete -c dhow -n "__fish_dhow_using_subcommand run" -l hostuser -d 'Add a user of the host to the container\'s passwd file' -r
complete -c dhow -n "__fish_dhow_using_subcommand run" -l http-proxy -d 'Pass the caller\'s proxy variables on (the default)' -r -f -a "true\t''
false\t''"
complete -c dhow -n "__fish_dhow_using_subcommand run" -l image-volume -d 'What becomes of the image\'s volumes: anonymous, tmpfs, ignore' -r
complete -c dhow -n "__fish_dhow_using_subcommand run" -l init -d 'Run an init that forwards signals and reaps processes' -r -f -a "true\t''
false\t''"
complete -c dhow -n "__fish_dhow_using_subcommand run" -l init-path -d 'Program of the host that is the init of --init, in place of dhow\'s own' -r -F
complete -c dhow -n "__fish_dhow_using_subcommand run" -l ip -d 'Address on the network' -r
complete -c dhow -n "__fish_dhow_using_subcommand run" -l ip6 -d 'IPv6 address on the network' -r
complete -c dhow -n "__fish_dhow_using_subcommand run" -l ipc -d 'IPC namespace: private, shareable, none, host, container:ID, ns:PATH' -r
complete -c dhow -n "__fish_dhow_using_subcommand run" -s l -l label -d 'Add a label, KEY=VALUE' -r
complete -c dhow -n "__fish_dhow_using_subcommand run" -l label-file -d 'Read labels from a file' -r -F
complete -c dhow -n "__fish_dhow_using_subcommand run" -l log-driver -d 'Where output is kept: k8s-file, json-file, none, passthrough, passthrough-tty' -r
complete -c dhow -n "__fish_dhow_using_subcommand run" -l log-opt -d 'Options of the log: path=, max-size= (16m), max-file= (5), tag=' -r
complete -c dhow -n "__fish_dhow_using_subcommand run" -l mac-address -d 'Hardware address on the network' -r
complete -c dhow -n "__fish_dhow_using_subcommand run" -s m -l memory -d 'Memory limit, with a unit: b, k, m, g' -r
complete -c dhow -n "__fish_dhow_using_subcommand run" -l memory-reservation -d 'Memory that is kept under pressure' -r
complete -c dhow -n "__fish_dhow_using_subcommand run" -l memory-swap -d 'Limit of memory and swap together; -1 is unlimited' -r
complete -c dhow -n "__fish_dhow_using_subcommand run" -l memory-swappiness -d 'How readily memory is swapped, 0 to 100; -1 is the host\'s choice' -r
complete -c dhow -n "__fish_dhow_using_subcommand run" -l mount -d 'Mount a file system: type=bind|volume|tmpfs,src=...,dst=...' -r
complete -c dhow -n "__fish_dhow_using_subcommand run" -l name -d 'Name of the container' -r
complete -c dhow -n "__fish_dhow_using_subcommand run" -l network -d 'Network: bridge, none, host, private, container:ID, ns:PATH, pasta, or names of networks' -r
complete -c dhow -n "__fish_dhow_using_subcommand run" -l network-alias -d 'Further names on the network' -r
complete -c dhow -n "__fish_dhow_using_subcommand run" -l no-hosts -d 'Leave the image\'s hosts file' -r -f -a "true\t''
false\t''"
complete -c dhow -n "__fish_dhow_using_subcommand run" -l oom-score-adj -d 'How readily the kernel kills the container when memory runs out, -1000 to 1000' -r
complete -c dhow -n "__fish_dhow_using_subcommand run" -l os -d 'Operating system of the image' -r
complete -c dhow -n "__fish_dhow_using_subcommand run" -l passwd -d 'Add a line for the user to the container\'s passwd and group files (the default)' -r -f -a "true\t''
false\t''"
complete -c dhow -n "__fish_dhow_using_subcommand run" -l passwd-entry -d 'Line for the user in the container\'s passwd file, with $USERNAME, $UID, $GID, $NAME and $HOME' -r
complete -c dhow -n "__fish_dhow_using_subcommand run" -l personality -d 'Kind of machine that the container sees: LINUX or LINUX32' -r
complete -c dhow -n "__fish_dhow_using_subcommand run" -l pid -d 'PID namespace: private, host, container:ID, ns:PATH' -r
complete -c dhow -n "__fish_dhow_using_subcommand run" -l pidfile -d 'Write the pid of the container\'s first process to this file' -r -F
complete -c dhow -n "__fish_dhow_using_subcommand run" -l pids-limit -d 'Number of processes; -1 and 0 are unlimited' -r
complete -c dhow -n "__fish_dhow_using_subcommand run" -l platform -d 'Platform of the image: OS/ARCH[/VARIANT]' -r
complete -c dhow -n "__fish_dhow_using_subcommand run" -l privileged -d 'Give the rights of the caller: capabilities, devices, no filters' -r -f -a "true\t''
false\t''"
complete -c dhow -n "__fish_dhow_using_subcommand run" -s p -l publish -d 'Publish a port: [[IP:][HOSTPORT]:]PORT[/PROTOCOL]' -r
complete -c dhow -n "__fish_dhow_using_subcommand run" -l pull -d 'When to pull the image: always, missing, never, newer' -r
complete -c dhow -n "__fish_dhow_using_subcommand run" -l read-only -d 'Make the root file system read-only' -r -f -a "true\t''
false\t''"
complete -c dhow -n "__fish_dhow_using_subcommand run" -l read-only-tmpfs -d 'With --read-only: tmpfs on /dev/shm, /run, /tmp and /var/tmp (the default)' -r -f -a "true\t''
false\t''"
complete -c dhow -n "__fish_dhow_using_subcommand run" -l requires -d 'Containers that are started first' -r
complete -c dhow -n "__fish_dhow_using_subcommand run" -l restart -d 'What happens when it ends: no, always, on-failure[:N], unless-stopped' -r
complete -c dhow -n "__fish_dhow_using_subcommand run" -l sdnotify -d 'Who says over NOTIFY_SOCKET that the container is ready: container, conmon, ignore' -r
complete -c dhow -n "__fish_dhow_using_subcommand run" -l seccomp-policy -d 'Where the system call filter comes from: default, or image (its label io.containers.seccomp.profile)' -r
complete -c dhow -n "__fish_dhow_using_subcommand run" -l security-opt -d 'Confinement: seccomp=, apparmor=, no-new-privileges, mask=, unmask=, proc-opts=, label=' -r
complete -c dhow -n "__fish_dhow_using_subcommand run" -l shm-size -d 'Size of /dev/shm' -r
complete -c dhow -n "__fish_dhow_using_subcommand run" -l stop-signal -d 'Signal that stops the container' -r
complete -c dhow -n "__fish_dhow_using_subcommand run" -l stop-timeout -d 'Seconds between the stop signal and the kill; -1 waits forever' -r
complete -c dhow -n "__fish_dhow_using_subcommand run" -l subgidname -d 'Take the maps of the user namespace from this owner\'s entries in /etc/subgid' -r
complete -c dhow -n "__fish_dhow_using_subcommand run" -l subuidname -d 'Take the maps of the user namespace from this owner\'s entries in /etc/subuid' -r
complete -c dhow -n "__fish_dhow_using_subcommand run" -l sysctl -d 'Set a kernel parameter, KEY=VALUE' -r
complete -c dhow -n "__fish_dhow_using_subcommand run" -l systemd -d 'What a systemd inside needs: true (if the command is one), false, always' -r
complete -c dhow -n "__fish_dhow_using_subcommand run" -l timeout -d 'Seconds after which the container is killed; 0 is never' -r
complete -c dhow -n "__fish_dhow_using_subcommand run" -l tls-verify -d 'Require HTTPS and verify certificates' -r -f -a "true\t''
false\t''"
complete -c dhow -n "__fish_dhow_using_subcommand run" -l tmpfs -d 'Mount a tmpfs: PATH[:OPTIONS]' -r
complete -c dhow -n "__fish_dhow_using_subcommand run" -l tz -d 'Time zone: a name as Europe/Berlin, or local for the host\'s' -r
complete -c dhow -n "__fish_dhow_using_subcommand run" -l uidmap -d 'Map user ids, INSIDE:OUTSIDE:SIZE' -r
complete -c dhow -n "__fish_dhow_using_subcommand run" -l ulimit -d 'Set a limit: NAME=SOFT[:HARD], or host' -r
complete -c dhow -n "__fish_dhow_using_subcommand run" -l umask -d 'Mask of the modes of new files, in octal (0022)' -r
complete -c dhow -n "__fish_dhow_using_subcommand run" -l unsetenv -d 'Leave out a variable of the image or of dhow' -r
complete -c dhow -n "__fish_dhow_using_subcommand run" -s u -l user -d 'User and perhaps group, by name or number' -r
complete -c dhow -n "__fish_dhow_using_subcommand run" -l userns -d 'User namespace: host, keep-id[:uid=,gid=], auto[:size=], nomap, container:ID, ns:PATH' -r
complete -c dhow -n "__fish_dhow_using_subcommand run" -l uts -d 'UTS namespace: private, host, container:ID, ns:PATH' -r
complete -c dhow -n "__fish_dhow_using_subcommand run" -l variant -d 'Variant of the image\'s architecture' -r
complete -c dhow -n "__fish_dhow_using_subcommand run" -s v -l volume -d 'Bind a directory or a volume: [[SOURCE:]TARGET[:OPTIONS]]' -r
complete -c dhow -n "__fish_dhow_using_subcommand run" -l volumes-from -d 'Mount the volumes of a container: CONTAINER[:OPTIONS]' -r
complete -c dhow -n "__fish_dhow_using_subcommand run" -s w -l workdir -d 'Working directory' -r
complete -c dhow -n "__fish_dhow_using_subcommand run" -s d -l detach -d 'Run in the background and print the container\'s ID'
complete -c dhow -n "__fish_dhow_using_subcommand run" -l rmi -d 'Remove the image with the container, unless others use it; implies --rm'
complete -c dhow -n "__fish_dhow_using_subcommand run" -s i -l interactive -d 'Keep standard input open'
complete -c dhow -n "__fish_dhow_using_subcommand run" -l oom-kill-disable -d 'Do not kill processes of the container when memory runs out'
complete -c dhow -n "__fish_dhow_using_subcommand run" -s P -l publish-all -d 'Publish every exposed port to a random port of the host'
complete -c dhow -n "__fish_dhow_using_subcommand run" -s q -l quiet -d 'Say nothing while pulling'
complete -c dhow -n "__fish_dhow_using_subcommand run" -l replace -d 'Remove a container that has the name'
complete -c dhow -n "__fish_dhow_using_subcommand run" -l rm -d 'Remove the container when it ends'
complete -c dhow -n "__fish_dhow_using_subcommand run" -l rootfs -d 'The first argument is a directory, with :O never written to, instead of an image'
complete -c dhow -n "__fish_dhow_using_subcommand run" -s t -l tty -d 'Allocate a terminal'
complete -c dhow -n "__fish_dhow_using_subcommand run" -l unsetenv-all -d 'Leave out all variables of the image and of dhow'
complete -c dhow -n "__fish_dhow_using_subcommand run" -l help -d 'Print this help'
complete -c dhow -n "__fish_dhow_using_subcommand save" -l format -d 'The format: docker-archive, oci-archive, docker-dir or oci-dir' -r
complete -c dhow -n "__fish_dhow_using_subcommand save" -s o -l output -d 'The file, instead of standard output' -r -F
complete -c dhow -n "__fish_dhow_using_subcommand save" -l uncompressed -d 'Layers are saved as they are kept; accepted for podman\'s sake'
complete -c dhow -n "__fish_dhow_using_subcommand save" -s m -l multi-image-archive -d 'Every argument is an image, not a name of the first'
complete -c dhow -n "__fish_dhow_using_subcommand save" -s q -l quiet -d 'Say nothing'
complete -c dhow -n "__fish_dhow_using_subcommand save" -s h -l help -d 'Print this help'
complete -c dhow -n "__fish_dhow_using_subcommand search" -l creds -d 'Whose credentials are used: USER[:PASSWORD]' -r
complete -c dhow -n "__fish_dhow_using_subcommand search" -s f -l filter -d 'Choose by stars=NUMBER, is-official, is-automated' -r
complete -c dhow -n "__fish_dhow_using_subcommand search" -l format -d 'Change the output format to json or a Go template' -r
complete -c dhow -n "__fish_dhow_using_subcommand search" -l limit -d 'How many are shown of each registry' -r
complete -c dhow -n "__fish_dhow_using_subcommand search" -l authfile -d 'The file of credentials, instead of the user\'s' -r -F
complete -c dhow -n "__fish_dhow_using_subcommand search" -l cert-dir -d 'The directory of certificates and keys' -r -F
complete -c dhow -n "__fish_dhow_using_subcommand search" -l tls-verify -d 'Require HTTPS and verify certificates' -r -f -a "true\t''
false\t''"
complete -c dhow -n "__fish_dhow_using_subcommand search" -l compatible -d 'Show stars, official and automated too'
complete -c dhow -n "__fish_dhow_using_subcommand search" -l list-tags -d 'List the tags of a repository'
complete -c dhow -n "__fish_dhow_using_subcommand search" -l no-trunc -d 'Do not shorten descriptions'
complete -c dhow -n "__fish_dhow_using_subcommand search" -s h -l help -d 'Print this help'
complete -c dhow -n "__fish_dhow_using_subcommand start" -l detach-keys -d 'Keys that detach' -r
complete -c dhow -n "__fish_dhow_using_subcommand start" -s f -l filter -d 'Start what the filter chooses' -r
complete -c dhow -n "__fish_dhow_using_subcommand start" -l sig-proxy -d 'Pass signals on to the container (the default with --attach)' -r -f -a "true\t''
false\t''"
complete -c dhow -n "__fish_dhow_using_subcommand start" -l all -d 'All containers, whatever their state'
complete -c dhow -n "__fish_dhow_using_subcommand start" -s a -l attach -d 'Show the container\'s output and return its exit code'
complete -c dhow -n "__fish_dhow_using_subcommand start" -s i -l interactive -d 'Pass standard input on'
complete -c dhow -n "__fish_dhow_using_subcommand start" -s l -l latest -d 'The container that was created last'
complete -c dhow -n "__fish_dhow_using_subcommand start" -s h -l help -d 'Print this help'
complete -c dhow -n "__fish_dhow_using_subcommand stats" -l format -d 'A Go template, or json' -r
complete -c dhow -n "__fish_dhow_using_subcommand stats" -s i -l interval -d 'Seconds between two reports' -r
complete -c dhow -n "__fish_dhow_using_subcommand stats" -s a -l all -d 'All containers, running or not'
complete -c dhow -n "__fish_dhow_using_subcommand stats" -s l -l latest -d 'The container that was created last'
complete -c dhow -n "__fish_dhow_using_subcommand stats" -l no-reset -d 'Do not clear the screen between reports'
complete -c dhow -n "__fish_dhow_using_subcommand stats" -l no-stream -d 'One report'
complete -c dhow -n "__fish_dhow_using_subcommand stats" -l no-trunc -d 'Whole ids'
complete -c dhow -n "__fish_dhow_using_subcommand stats" -s h -l help -d 'Print this help'
complete -c dhow -n "__fish_dhow_using_subcommand stop" -l cidfile -d 'Read a container\'s ID from a file' -r -F
complete -c dhow -n "__fish_dhow_using_subcommand stop" -s f -l filter -d 'Stop what the filter chooses' -r
complete -c dhow -n "__fish_dhow_using_subcommand stop" -s t -l time -d 'Seconds of grace; -1 waits forever' -r
complete -c dhow -n "__fish_dhow_using_subcommand stop" -s a -l all -d 'Stop all running containers'
complete -c dhow -n "__fish_dhow_using_subcommand stop" -s i -l ignore -d 'A container that does not exist is no error'
complete -c dhow -n "__fish_dhow_using_subcommand stop" -s l -l latest -d 'The container that was created last'
complete -c dhow -n "__fish_dhow_using_subcommand stop" -s h -l help -d 'Print this help'
complete -c dhow -n "__fish_dhow_using_subcommand system; and not __fish_seen_subcommand_from check df info prune reset" -s h -l help -d 'Print this help'
complete -c dhow -n "__fish_dhow_using_subcommand system; and not __fish_seen_subcommand_from check df info prune reset" -f -a "check" -d 'Look for damage in the store, and repair it'
complete -c dhow -n "__fish_dhow_using_subcommand system; and not __fish_seen_subcommand_from check df info prune reset" -f -a "df" -d 'Show what images, containers and volumes take on the disk'
complete -c dhow -n "__fish_dhow_using_subcommand system; and not __fish_seen_subcommand_from check df info prune reset" -f -a "info" -d 'Display system information'
complete -c dhow -n "__fish_dhow_using_subcommand system; and not __fish_seen_subcommand_from check df info prune reset" -f -a "prune" -d 'Remove what nobody uses: containers that do not run, images without a name'
complete -c dhow -n "__fish_dhow_using_subcommand system; and not __fish_seen_subcommand_from check df info prune reset" -f -a "reset" -d 'Remove all containers, images, volumes and networks'
complete -c dhow -n "__fish_dhow_using_subcommand system; and __fish_seen_subcommand_from check" -s m -l max -d 'Accepted; what nothing names is removed whatever its age' -r
complete -c dhow -n "__fish_dhow_using_subcommand system; and __fish_seen_subcommand_from check" -s f -l force -d 'With --repair: remove damaged containers too'
complete -c dhow -n "__fish_dhow_using_subcommand system; and __fish_seen_subcommand_from check" -s q -l quick -d 'Do not read the contents of images'
complete -c dhow -n "__fish_dhow_using_subcommand system; and __fish_seen_subcommand_from check" -s r -l repair -d 'Remove what is damaged and comes back'
complete -c dhow -n "__fish_dhow_using_subcommand system; and __fish_seen_subcommand_from check" -s h -l help -d 'Print this help'
complete -c dhow -n "__fish_dhow_using_subcommand system; and __fish_seen_subcommand_from df" -l format -d 'json, table, or a Go template' -r
complete -c dhow -n "__fish_dhow_using_subcommand system; and __fish_seen_subcommand_from df" -s v -l verbose -d 'Each of them'
complete -c dhow -n "__fish_dhow_using_subcommand system; and __fish_seen_subcommand_from df" -s h -l help -d 'Print this help'
complete -c dhow -n "__fish_dhow_using_subcommand system; and __fish_seen_subcommand_from info" -s f -l format -d 'Change the output format to json or a Go template' -r
complete -c dhow -n "__fish_dhow_using_subcommand system; and __fish_seen_subcommand_from info" -s D -l debug -d 'Display more, as podman does; everything is shown anyway'
complete -c dhow -n "__fish_dhow_using_subcommand system; and __fish_seen_subcommand_from info" -s h -l help -d 'Print this help'
complete -c dhow -n "__fish_dhow_using_subcommand system; and __fish_seen_subcommand_from prune" -l filter -d 'Remove what the filter chooses: label, until' -r
complete -c dhow -n "__fish_dhow_using_subcommand system; and __fish_seen_subcommand_from prune" -s a -l all -d 'Remove every image that no container uses'
complete -c dhow -n "__fish_dhow_using_subcommand system; and __fish_seen_subcommand_from prune" -l external -d 'Remove also what other tools left; accepted, there is nothing of that kind'
complete -c dhow -n "__fish_dhow_using_subcommand system; and __fish_seen_subcommand_from prune" -s f -l force -d 'Do not ask'
complete -c dhow -n "__fish_dhow_using_subcommand system; and __fish_seen_subcommand_from prune" -l volumes -d 'Remove every volume that no container uses'
complete -c dhow -n "__fish_dhow_using_subcommand system; and __fish_seen_subcommand_from prune" -s h -l help -d 'Print this help'
complete -c dhow -n "__fish_dhow_using_subcommand system; and __fish_seen_subcommand_from reset" -s f -l force -d 'Do not ask'
complete -c dhow -n "__fish_dhow_using_subcommand system; and __fish_seen_subcommand_from reset" -s h -l help -d 'Print this help'
complete -c dhow -n "__fish_dhow_using_subcommand tag" -s h -l help -d 'Print this help'
complete -c dhow -n "__fish_dhow_using_subcommand top" -s l -l latest -d 'The container that was created last'
complete -c dhow -n "__fish_dhow_using_subcommand top" -l list-descriptors -d 'List the descriptors'
complete -c dhow -n "__fish_dhow_using_subcommand top" -s h -l help -d 'Print this help'
complete -c dhow -n "__fish_dhow_using_subcommand unmount" -s a -l all -d 'All that are mounted'
complete -c dhow -n "__fish_dhow_using_subcommand unmount" -s f -l force -d 'Accepted; nothing counts the mounts of a container'
complete -c dhow -n "__fish_dhow_using_subcommand unmount" -s l -l latest -d 'The container that was created last'
complete -c dhow -n "__fish_dhow_using_subcommand unmount" -s h -l help -d 'Print this help'
complete -c dhow -n "__fish_dhow_using_subcommand umount" -s a -l all -d 'All that are mounted'
complete -c dhow -n "__fish_dhow_using_subcommand umount" -s f -l force -d 'Accepted; nothing counts the mounts of a container'
complete -c dhow -n "__fish_dhow_using_subcommand umount" -s l -l latest -d 'The container that was created last'
complete -c dhow -n "__fish_dhow_using_subcommand umount" -s h -l help -d 'Print this help'
complete -c dhow -n "__fish_dhow_using_subcommand unpause" -l cidfile -d 'Read a container\'s ID from a file' -r -F
complete -c dhow -n "__fish_dhow_using_subcommand unpause" -s f -l filter -d 'Pause what the filter chooses' -r
complete -c dhow -n "__fish_dhow_using_subcommand unpause" -s a -l all -d 'All running containers'
complete -c dhow -n "__fish_dhow_using_subcommand unpause" -s l -l latest -d 'The container that was created last'
complete -c dhow -n "__fish_dhow_using_subcommand unpause" -s h -l help -d 'Print this help'
complete -c dhow -n "__fish_dhow_using_subcommand unshare" -s h -l help -d 'Print this help'
complete -c dhow -n "__fish_dhow_using_subcommand untag" -s h -l help -d 'Print this help'
complete -c dhow -n "__fish_dhow_using_subcommand update" -l blkio-weight -d 'Relative weight of block I/O, 10 to 1000' -r
complete -c dhow -n "__fish_dhow_using_subcommand update" -l blkio-weight-device -d 'The same for one device, PATH:WEIGHT' -r
complete -c dhow -n "__fish_dhow_using_subcommand update" -l cpu-rt-period -d 'Length of the realtime scheduler\'s period in microseconds' -r
complete -c dhow -n "__fish_dhow_using_subcommand update" -l cpu-rt-runtime -d 'Microseconds for realtime tasks in a period' -r
complete -c dhow -n "__fish_dhow_using_subcommand update" -l device-read-bps -d 'Bytes a second that are read from a device, PATH:RATE' -r
complete -c dhow -n "__fish_dhow_using_subcommand update" -l device-read-iops -d 'Reads a second from a device, PATH:NUMBER' -r
complete -c dhow -n "__fish_dhow_using_subcommand update" -l device-write-bps -d 'Bytes a second that are written to a device, PATH:RATE' -r
complete -c dhow -n "__fish_dhow_using_subcommand update" -l device-write-iops -d 'Writes a second to a device, PATH:NUMBER' -r
complete -c dhow -n "__fish_dhow_using_subcommand update" -l cpu-period -d 'Length of the scheduler\'s period in microseconds' -r
complete -c dhow -n "__fish_dhow_using_subcommand update" -l cpu-quota -d 'Microseconds of processor time in a period' -r
complete -c dhow -n "__fish_dhow_using_subcommand update" -s c -l cpu-shares -d 'Relative weight of processor time' -r
complete -c dhow -n "__fish_dhow_using_subcommand update" -l cpus -d 'Number of processors, with a fraction' -r
complete -c dhow -n "__fish_dhow_using_subcommand update" -l cpuset-cpus -d 'Processors that may be used: 0-3,5' -r
complete -c dhow -n "__fish_dhow_using_subcommand update" -l cpuset-mems -d 'Memory nodes that may be used' -r
complete -c dhow -n "__fish_dhow_using_subcommand update" -s m -l memory -d 'Memory limit, with a unit: b, k, m, g' -r
complete -c dhow -n "__fish_dhow_using_subcommand update" -l memory-reservation -d 'Memory that is kept under pressure' -r
complete -c dhow -n "__fish_dhow_using_subcommand update" -l memory-swap -d 'Limit of memory and swap together; -1 is unlimited' -r
complete -c dhow -n "__fish_dhow_using_subcommand update" -l memory-swappiness -d 'How readily memory is swapped, 0 to 100' -r
complete -c dhow -n "__fish_dhow_using_subcommand update" -l pids-limit -d 'Number of processes; -1 and 0 are unlimited' -r
complete -c dhow -n "__fish_dhow_using_subcommand update" -l restart -d 'What happens when it ends: no, always, on-failure[:N], unless-stopped' -r
complete -c dhow -n "__fish_dhow_using_subcommand update" -s l -l latest -d 'The container that was created last'
complete -c dhow -n "__fish_dhow_using_subcommand update" -s h -l help -d 'Print this help'
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
complete -c dhow -n "__fish_dhow_using_subcommand wait" -l condition -d 'Wait for a state: configured, created, exited, initialized, paused, removing, running, stopped, stopping' -r
complete -c dhow -n "__fish_dhow_using_subcommand wait" -s i -l interval -d 'For podman\'s sake: milliseconds, or a number with a unit; the kernel tells when there is something to see' -r
complete -c dhow -n "__fish_dhow_using_subcommand wait" -l ignore -d 'A container that does not exist is no error: -1 is printed'
complete -c dhow -n "__fish_dhow_using_subcommand wait" -s l -l latest -d 'The container that was created last'
complete -c dhow -n "__fish_dhow_using_subcommand wait" -s h -l help -d 'Print this help'
