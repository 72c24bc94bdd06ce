"""Stage fetch: videos behind URLs become files in the cache, taken up again where a download broke off."""
