# Starts llama-server on a model, has it complete a prompt over HTTP, and prints the reply's body:
#   bash complete.sh PROMPT-TOKENS-AS-JSON SERVER-OPTION...
# Images have no HTTP client; bash opens connections itself.
port=18080
prompt=$1
shift

request() { # METHOD PATH [BODY]: prints the reply with its head
    exec 3<>"/dev/tcp/127.0.0.1/$port" || return 1
    printf '%s %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s' \
        "$1" "$2" "${#3}" "${3:-}" >&3
    cat <&3
    exec 3>&-
}

ready() {
    request GET /health 2>/dev/null | head -n 1 | grep -q ' 200 '
}

llama-server --host 127.0.0.1 --port $port --no-webui --offline --parallel 1 --ctx-size 512 --log-verbosity 4 "$@" >&2 &
server=$!
until ready; do
    kill -0 $server 2>/dev/null || exit 1
    sleep 0.2
done
request POST /completion '{"prompt": '"$prompt"', "n_predict": 64, "temperature": 0, "ignore_eos": true,
    "cache_prompt": false, "return_tokens": true}' | sed '1,/^\r$/d'
kill $server
wait $server 2>/dev/null
true
