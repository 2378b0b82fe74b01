<?php
// What is answered outside WebDAV, who may ask, and the request log.

function in_maintenance(): bool
{
    return is_file(getenv('STANDIN_DATA') . '/maintenance');
}

function answer_json(array $document): never
{
    header('Content-Type: application/json; charset=utf-8');
    echo json_encode($document);
    exit;
}

function answer_ocs(array $data): never
{
    answer_json(['ocs' => ['meta' => ['status' => 'ok', 'statuscode' => 100, 'message' => 'OK'], 'data' => $data]]);
}

function answer_error(int $status, string $exception, string $message): never
{
    http_response_code($status);
    header('Content-Type: application/xml; charset=utf-8');
    echo '<?xml version="1.0" encoding="utf-8"?>',
        '<d:error xmlns:d="DAV:" xmlns:s="http://sabredav.org/ns">',
        "<s:exception>Sabre\\DAV\\Exception\\$exception</s:exception><s:message>$message</s:message></d:error>";
    exit;
}

// STANDIN_USERS is `user:app-password,…`.
function authenticated_user(): ?string
{
    foreach (explode(',', getenv('STANDIN_USERS')) as $account) {
        [$user, $password] = explode(':', $account);
        if ($user === ($_SERVER['PHP_AUTH_USER'] ?? '') && hash_equals($password, $_SERVER['PHP_AUTH_PW'] ?? '')) {
            return $user;
        }
    }
    return null;
}

// One JSON object per request, written when its answer is final: after an injected fault has changed it.
function log_at_end(string $path): void
{
    $began = microtime(true);
    register_shutdown_function(fn() => register_shutdown_function(function () use ($path, $began) {
        $line = json_encode([
            'at' => gmdate('Y-m-d\TH:i:s', (int)$began) . sprintf('.%03dZ', fmod($began, 1) * 1000),
            'method' => $_SERVER['REQUEST_METHOD'], 'path' => $path, 'user' => $_SERVER['PHP_AUTH_USER'] ?? '',
            'agent' => $_SERVER['HTTP_USER_AGENT'] ?? '', 'status' => http_response_code(),
            'bytes' => (int)($_SERVER['CONTENT_LENGTH'] ?? 0),
        ], JSON_UNESCAPED_SLASHES | JSON_UNESCAPED_UNICODE);
        file_put_contents(getenv('STANDIN_LOG'), "$line\n", FILE_APPEND | LOCK_EX);
    }));
}
