<?php
// A stand-in for Nextcloud on sabre/dav, the library Nextcloud itself is built on: basic authentication, a quota per
// user, the trees files/ and uploads/ with chunked upload v2, and the few OCS answers clients ask first. Every request
// is logged. `standin` starts it and says by environment where its data, log and fault file are.
error_reporting(E_ALL & ~E_DEPRECATED & ~E_NOTICE & ~E_WARNING); // Debian's sabre/dav is older than its PHP
ini_set('display_errors', '0');

require_once 'Sabre/autoload.php';
require_once __DIR__ . '/answers.php';
require_once __DIR__ . '/faults.php';
require_once __DIR__ . '/storage.php';
require_once __DIR__ . '/nodes.php';
require_once __DIR__ . '/uploads.php';

ob_start();
$path = rawurldecode(parse_url($_SERVER['REQUEST_URI'], PHP_URL_PATH));
log_at_end($path);

if ($path == '/status.php') {
    answer_json(['installed' => true, 'maintenance' => in_maintenance(), 'needsDbUpgrade' => false,
        'version' => '31.0.9.1', 'versionstring' => '31.0.9', 'edition' => '', 'productname' => 'Nextcloud',
        'extendedSupport' => false]);
}
if (in_maintenance()) {
    header('X-Nextcloud-Maintenance-Mode: 1');
    header('Retry-After: 120');
    answer_error(503, 'ServiceUnavailable', 'System is in maintenance mode.');
}
inject_fault($path);

$user = authenticated_user();
if ($user === null) {
    header('WWW-Authenticate: Basic realm="Nextcloud", charset="UTF-8"');
    answer_error(401, 'NotAuthenticated', 'No public access to this resource., Username or password was incorrect');
}
$storage = new Storage(getenv('STANDIN_DATA'), $user);

if (preg_match('#^/ocs/v[12]\.php/cloud/capabilities#', $path)) {
    answer_ocs(['version' => ['major' => 31, 'minor' => 0, 'micro' => 9, 'string' => '31.0.9', 'edition' => ''],
        'capabilities' => ['core' => ['pollinterval' => 60, 'webdav-root' => 'remote.php/webdav'],
            'dav' => ['chunking' => '1.0'],
            'files' => ['bigfilechunking' => true,
                'chunked_upload' => ['max_size' => 104857600, 'max_parallel_count' => 5]],
            'checksums' => ['supportedTypes' => ['SHA1', 'MD5'], 'preferredUploadType' => 'SHA1']]]);
}
if (preg_match('#^/ocs/v[12]\.php/cloud/user#', $path)) {
    $used = $storage->used();
    answer_ocs(['id' => $user, 'display-name' => $user, 'email' => null,
        'quota' => ['free' => $storage->quota() - $used, 'used' => $used, 'total' => $storage->quota(),
            'relative' => round(100 * $used / $storage->quota(), 2), 'quota' => $storage->quota()]]);
}
if (str_starts_with($path, '/ocs/')) {
    answer_ocs([]);
}

$old_base = '/remote.php/webdav';
if (str_starts_with($path, $old_base)) {
    $_SERVER['REQUEST_URI'] = '/remote.php/dav/files/' . rawurlencode($user)
        . substr($_SERVER['REQUEST_URI'], strlen($old_base));
} elseif (!str_starts_with("$path/", '/remote.php/dav/')) {
    answer_error(404, 'NotFound', 'No such page');
}
$server = new Sabre\DAV\Server(new Sabre\DAV\SimpleCollection('root', [
    new Sabre\DAV\SimpleCollection('files', [new Folder($storage->path("files/$user"))]),
    new Sabre\DAV\SimpleCollection('uploads', [new Folder($storage->path("uploads/$user"))]),
]));
$server->setBaseUri('/remote.php/dav/');
$server->addPlugin(new Uploads($storage));
$server->exec();
