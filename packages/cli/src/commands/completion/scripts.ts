/** Each asks `osa completion words` for what may come next, given the words so far and the beginning of this one. */
export const shells = {
  bash: `_osa() {
  local line
  COMPREPLY=()
  while IFS= read -r line; do
    COMPREPLY+=("$line")
  done < <(osa completion words -- "\${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
}
complete -o default -F _osa osa`,
  zsh: `_osa() {
  local -a found
  found=("\${(@f)$(osa completion words -- "\${(@)words[2,CURRENT]}" 2>/dev/null)}")
  found=(\${found:#})
  if (( \${#found} )); then compadd -- "\${found[@]}"; else _files; fi
}
compdef _osa osa`,
  fish: `function __osa_words
  set -l words (commandline -opc) (commandline -ct)
  osa completion words -- $words[2..] 2>/dev/null
end
complete -c osa -a '(__osa_words)'`,
} as const;
