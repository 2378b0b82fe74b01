<?php
// Files and folders as sabre/dav sees them, with the properties that Nextcloud's clients ask for.
use Sabre\DAV;

class Checksums extends DAV\Property
{
    public function __construct(private string $value)
    {
    }

    public function serialize(DAV\Server $server, \DOMElement $node)
    {
        $element = $node->ownerDocument->createElementNS('http://owncloud.org/ns', 'oc:checksum');
        $element->appendChild($node->ownerDocument->createTextNode($this->value));
        $node->appendChild($element);
    }
}

trait OwnCloudProperties
{
    public function getProperties($asked)
    {
        global $storage;
        $folder = is_dir($this->path);
        $checksum = $folder ? null : $storage->checksum($this->path);
        $oc = '{http://owncloud.org/ns}';
        $known = array_filter([
            $oc . 'id' => Storage::id($this->path),
            $oc . 'fileid' => (string)fileinode($this->path),
            $oc . 'permissions' => $folder ? 'RGDNVCK' : 'RGDNVW',
            $oc . 'size' => (string)Storage::size($this->path),
            $oc . 'data-fingerprint' => '',
            $oc . 'checksums' => $checksum === null ? null : new Checksums($checksum),
            '{DAV:}getetag' => '"' . Storage::etag($this->path) . '"',
        ], fn($value) => $value !== null);
        return $asked ? array_intersect_key($known, array_flip($asked)) : $known;
    }

    public function updateProperties($changes)
    {
        return true;
    }
}

class File extends DAV\FS\File implements DAV\IProperties
{
    use OwnCloudProperties;

    public function getETag()
    {
        return '"' . Storage::etag($this->path) . '"';
    }

    public function put($body)
    {
        global $server, $storage;
        $storage->write($this->path, $body);
        $storage->accept_headers($this->path, $server);
        return $this->getETag();
    }
}

class Folder extends DAV\FS\Directory implements DAV\IProperties, DAV\IQuota
{
    use OwnCloudProperties;

    public function getChild($name)
    {
        $path = "$this->path/$name";
        if (!file_exists($path)) {
            throw new DAV\Exception\NotFound("File with name $name could not be located");
        }
        return is_dir($path) ? new Folder($path) : new File($path);
    }

    public function createFile($name, $body = null)
    {
        return (new File("$this->path/$name"))->put($body);
    }

    public function delete()
    {
        Storage::remove($this->path);
    }

    public function getQuotaInfo()
    {
        global $storage;
        return [$storage->used(), $storage->free()];
    }
}
