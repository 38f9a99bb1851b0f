# bash completion of dhow

_dhow() {
    local line word typed strip rest=none
    local -a words
    COMPREPLY=()
    # bash cuts words at : and =, which names of images have; so the line is cut anew.
    line=${COMP_LINE:0:COMP_POINT}
    read -ra words <<<"$line"
    if [[ $line == *[[:space:]] ]]; then
        words+=("")
    fi
    word=${words[${#words[@]} - 1]}
    typed=${COMP_WORDS[COMP_CWORD]:-}
    case $typed in
        : | =) typed= ;;
    esac
    # What bash keeps of the word by itself.
    strip=${word%"$typed"}
    while IFS= read -r line; do
        case $line in
            :*) rest=${line#:} ;;
            *)
                line=${line%%$'\t'*}
                COMPREPLY+=("${line#"$strip"}")
                ;;
        esac
    done < <("${words[0]/#\~/$HOME}" __complete "${words[@]:1}" 2>/dev/null)
    case $rest in
        none) compopt +o default +o bashdefault 2>/dev/null ;;
        directories) compopt -o dirnames +o default 2>/dev/null ;;
    esac
    # CONTAINER: goes on with a path.
    if [[ ${#COMPREPLY[@]} -eq 1 && ${COMPREPLY[0]} == *: ]]; then
        compopt -o nospace 2>/dev/null
    fi
}

complete -o default -o bashdefault -F _dhow dhow
