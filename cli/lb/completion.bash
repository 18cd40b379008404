# shellcheck shell=bash
# Completion of lb(8) for bash: options, and within `lb -c "..."` what lbd itself would complete.

_lb() {
	local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]} i
	local socket=()

	# bash takes --socket=PATH for three words.
	for ((i = 1; i < COMP_CWORD; i++)); do
		[[ ${COMP_WORDS[i]} == --socket ]] || continue
		[[ ${COMP_WORDS[i + 1]} == = ]] && ((i++))
		socket=(--socket "${COMP_WORDS[i + 1]}")
	done
	[[ $word == = ]] && word=
	[[ $before == = ]] && before=${COMP_WORDS[COMP_CWORD - 2]}
	case $before in
	-c)
		_lb_command "$1" "$word" "${socket[@]}" ;;
	-f | --socket)
		compopt -o filenames
		mapfile -t COMPREPLY < <(compgen -f -- "$word") ;;
	*)
		mapfile -t COMPREPLY < <(compgen -W "$("$1" --help | grep -oE -- '--?[a-z][a-z-]*')" \
			-- "$word") ;;
	esac
}

# What stands within an open quote is completed as it is; without one, blanks need a backslash.
_lb_command() {
	local lb=$1 word=$2 plain=
	shift 2

	case $word in
	[\"\']*) word=${word:1} ;;
	*)       plain=yes word=${word//\\/} ;;
	esac
	mapfile -t COMPREPLY < <("$lb" "$@" --complete "$word" 2>/dev/null)
	[[ -z $plain ]] || COMPREPLY=("${COMPREPLY[@]// /\\ }")
	[[ ${#COMPREPLY[@]} != 1 || ${COMPREPLY[0]} != */ ]] || compopt -o nospace
}

complete -F _lb lb
