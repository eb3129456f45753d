{{/*
Every component that runs the image, by name: its settings over the defaults, what it runs and which configuration it has. As JSON,
because a template can only give back text.
*/}}
{{- define "tillmesh.components" -}}
{{- $components := dict -}}
{{- range $name, $service := .Values.services -}}
{{- if $service.enabled -}}
{{- $component := mustMergeOverwrite (deepCopy $.Values.defaults) (deepCopy $service) -}}
{{- $_ := set $component "script" (printf "services/%s/src/main.ts" $name) -}}
{{- $_ := set $components $name $component -}}
{{- end -}}
{{- end -}}
{{- range $id, $channel := .Values.channels -}}
{{- if $channel.enabled -}}
{{- $component := mustMergeOverwrite (deepCopy $.Values.defaults) (deepCopy $channel) -}}
{{- $_ := set $component "script" (printf "services/channel-%s/src/main.ts" $channel.adapter) -}}
{{- $_ := set $component "channelId" $id -}}
{{- $_ := set $components (printf "channel-%s" $id) $component -}}
{{- end -}}
{{- end -}}
{{- toJson $components -}}
{{- end -}}

{{/* Instances that may run at once at most, a rollout included. */}}
{{- define "tillmesh.instancesMax" -}}
{{- $replicas := .component.replicas | int -}}
{{- if .component.autoscaling.enabled -}}{{- $replicas = .component.autoscaling.maxReplicas | int -}}{{- end -}}
{{- add $replicas (max 1 (div (add $replicas 3) 4)) (.component.grey.replicas | int) -}}
{{- end -}}

{{/* The order groups as the services' configuration has them. */}}
{{- define "tillmesh.groups" -}}
{{- $groups := list -}}
{{- if eq .Values.profile "evaluation" -}}
{{- range $tag := .Values.evaluation.groupTags -}}
{{- $endpoints := list -}}
{{- range $place := until 3 -}}
{{- $host := include "tillmesh.databaseHost" (dict "root" $ "tag" $tag "place" $place) -}}
{{- $endpoints = append $endpoints (dict "host" $host "port" 3306) -}}
{{- end -}}
{{- $groups = append $groups (dict "tag" $tag "state" "open" "endpoints" $endpoints) -}}
{{- end -}}
{{- else -}}
{{- $groups = .Values.orders.groups -}}
{{- end -}}
{{- toJson (dict "version" .Values.orders.mapVersion "groups" $groups) -}}
{{- end -}}

{{/* Secrets that the evaluation makes for itself: of the databases, and of the simulated channels. */}}
{{- define "tillmesh.evaluationSecret" -}}
{{- include "tillmesh.nameOf" (dict "root" . "name" "evaluation-databases") -}}
{{- end -}}
{{- define "tillmesh.simulatedSecret" -}}
{{- include "tillmesh.nameOf" (dict "root" . "name" "evaluation-channels") -}}
{{- end -}}

{{/* The Secret that holds a database account's password, and its key: the evaluation has its own. */}}
{{- define "tillmesh.accountSecret" -}}
{{- $account := index .root.Values.orders.accounts .account -}}
{{- if eq .root.Values.profile "evaluation" -}}
{{- toJson (dict "name" (include "tillmesh.evaluationSecret" .root) "key" (printf "%s.password" .account)) -}}
{{- else -}}
{{- toJson (dict "name" $account.secretName "key" $account.secretKey) -}}
{{- end -}}
{{- end -}}

{{/* How a component reaches the order groups with an account: app, read or migrate. */}}
{{- define "tillmesh.access" -}}
{{- $account := index .root.Values.orders.accounts .account -}}
{{- $map := include "tillmesh.groups" .root | fromJson -}}
{{- toJson (dict "map" $map "user" $account.user "password" (printf "../secrets/orders-%s" .account) "database" .root.Values.orders.database) -}}
{{- end -}}

{{- define "tillmesh.rowKeys" -}}
{{- $keys := list -}}
{{- range $key := .Values.orders.rowKeys.keys -}}
{{- $keys = append $keys (dict "id" $key.id "keyFile" (printf "../secrets/row-key-%v" $key.id)) -}}
{{- end -}}
{{- toJson (dict "current" .Values.orders.rowKeys.current "keys" $keys) -}}
{{- end -}}

{{- define "tillmesh.redis" -}}
{{- if eq .Values.profile "evaluation" -}}
{{- toJson (dict "host" (printf "%s.%s.svc.%s" (include "tillmesh.nameOf" (dict "root" . "name" "redis")) .Release.Namespace .Values.clusterDomain) "port" 6379) -}}
{{- else if .Values.redis.host -}}
{{- $redis := dict "host" .Values.redis.host "port" .Values.redis.port -}}
{{- if .Values.redis.secretName -}}{{- $_ := set $redis "password" "../secrets/redis" -}}{{- end -}}
{{- toJson $redis -}}
{{- else -}}
{{- toJson dict -}}
{{- end -}}
{{- end -}}

{{- define "tillmesh.listStore" -}}
{{- $endpoints := .root.Values.lists.endpoints -}}
{{- if eq .root.Values.profile "evaluation" -}}
{{- $endpoints = (first (include "tillmesh.groups" .root | fromJson).groups).endpoints -}}
{{- end -}}
{{- $account := index .root.Values.orders.accounts .account -}}
{{- toJson (dict "endpoints" $endpoints "user" $account.user "password" (printf "../secrets/orders-%s" .account) "database" (ternary .root.Values.lists.eventsDatabase .root.Values.lists.database (eq .account "events")) "statementMsMax" (ternary 200 2000 (eq .account "read"))) -}}
{{- end -}}

{{- define "tillmesh.channelTargets" -}}
{{- $targets := list -}}
{{- range $id, $channel := .Values.channels -}}
{{- if $channel.enabled -}}
{{- $targets = append $targets (dict "channelId" $id "target" (include "tillmesh.target" (dict "root" $ "name" (printf "channel-%s" $id)))) -}}
{{- end -}}
{{- end -}}
{{- toJson (dict "channels" $targets) -}}
{{- end -}}

{{/*
The configuration of a component, as JSON: what follows from the chart, then what the values say. Takes
(dict "root" $ "name" "cashier" "component" …).
*/}}
{{- define "tillmesh.config" -}}
{{- $root := .root -}}{{- $name := .name -}}{{- $component := .component -}}
{{- $server := dict "host" "0.0.0.0" "port" 50051 "metricsPort" 9464 "probePort" 50052 "drainMs" (mul 1000 ($component.drain.drainSeconds | int)) -}}
{{- $tls := include "tillmesh.tls" (dict "root" $root) | fromJson -}}
{{- if $tls -}}{{- $_ := set $server "tls" $tls -}}{{- end -}}
{{- $config := dict "server" $server "logLevel" $root.Values.logLevel -}}
{{- $redis := include "tillmesh.redis" $root | fromJson -}}
{{- $orderStore := dict "target" (include "tillmesh.target" (dict "root" $root "name" "order-store")) -}}
{{- $channels := (include "tillmesh.channelTargets" $root | fromJson).channels -}}
{{- $public := $root.Values.publicUrl | trimSuffix "/" -}}
{{- $oneCodeUrl := printf "%s/q" $public -}}
{{- if has $name (list "cashier" "syncer" "projector" "notifier" "reconciler") -}}
{{- if $redis -}}{{- $_ := set $config "redis" $redis -}}{{- end -}}
{{- end -}}
{{- if has $name (list "cashier" "syncer" "edge" "routing") -}}{{- $_ := set $config "orderStore" $orderStore -}}{{- end -}}
{{- if has $name (list "cashier" "syncer" "edge" "reconciler") -}}{{- $_ := set $config "channels" $channels -}}{{- end -}}
{{- if eq $name "cashier" -}}
{{- $_ := set $config "routing" (dict "target" (include "tillmesh.target" (dict "root" $root "name" "routing")) "snapshotFile" "/var/lib/tillmesh/routing-snapshot.bin") -}}
{{- if $public -}}
{{- $_ := set $config "notifyBaseUrl" $public -}}
{{- if $redis -}}{{- $_ := set $config "oneCode" (dict "baseUrl" $oneCodeUrl) -}}{{- end -}}
{{- else if eq $root.Values.profile "evaluation" -}}
{{- $_ := set $config "notifyBaseUrl" (printf "http://%s.%s.svc.%s:8080" (include "tillmesh.nameOf" (dict "root" $root "name" "edge")) $root.Release.Namespace $root.Values.clusterDomain) -}}
{{- end -}}
{{- else if eq $name "edge" -}}
{{- $_ := set $config "http" (dict "host" "0.0.0.0" "port" 8080) -}}
{{- if and $public $redis -}}
{{- $_ := set $config "oneCode" (dict "cashier" (include "tillmesh.target" (dict "root" $root "name" "cashier")) "publicUrl" $oneCodeUrl) -}}
{{- end -}}
{{- else if eq $name "order-store" -}}
{{- $orders := include "tillmesh.access" (dict "root" $root "account" "app") | fromJson -}}
{{- $_ := set $orders "rowKeys" (include "tillmesh.rowKeys" $root | fromJson) -}}
{{- $_ := set $orders "connectionBudget" (dict "instancesMax" (include "tillmesh.instancesMax" . | int) "serverMax" $root.Values.orders.serverConnectionsMax) -}}
{{- $_ := set $config "orders" $orders -}}
{{- else if has $name (list "query" "projector" "notifier" "reconciler") -}}
{{- $orders := include "tillmesh.access" (dict "root" $root "account" "read") | fromJson -}}
{{- $_ := set $orders "rowKeys" (include "tillmesh.rowKeys" $root | fromJson) -}}
{{- $_ := set $orders "connectionsMax" 12 -}}
{{- $_ := set $orders "connectionBudget" (dict "instancesMax" (include "tillmesh.instancesMax" . | int) "serverMax" $root.Values.orders.serverConnectionsMax) -}}
{{- $_ := set $config "orders" $orders -}}
{{- if eq $name "query" -}}
{{- if $root.Values.services.projector.enabled -}}
{{- $_ := set $config "lists" (dict "store" (include "tillmesh.listStore" (dict "root" $root "account" "read") | fromJson)) -}}
{{- end -}}
{{- else if eq $name "reconciler" -}}
{{- $_ := set $config "syncer" (dict "target" (include "tillmesh.target" (dict "root" $root "name" "syncer"))) -}}
{{- $_ := set $config "folder" "/var/lib/tillmesh/reconciler" -}}
{{- $_ := set $config "schedule" (dict) -}}
{{- else if eq $name "projector" -}}
{{- $_ := set $config "store" (include "tillmesh.listStore" (dict "root" $root "account" "lists") | fromJson) -}}
{{- else -}}
{{- $_ := set $config "store" (include "tillmesh.listStore" (dict "root" $root "account" "events") | fromJson) -}}
{{- $_ := set $config "routing" (dict "target" (include "tillmesh.target" (dict "root" $root "name" "routing"))) -}}
{{- end -}}
{{- else if eq $name "routing" -}}
{{- $_ := set $config "tableFile" "/etc/tillmesh/routing/table.json" -}}
{{- $_ := set $config "stateFile" "/var/lib/tillmesh/routing-switches.json" -}}
{{- else if eq $name "watch" -}}
{{- $_ := set $config "http" (dict "host" "0.0.0.0" "port" 8081) -}}
{{- $processes := list -}}
{{- range $other, $_ := (include "tillmesh.components" $root | fromJson) -}}
{{- if include "tillmesh.showsLanes" $other -}}
{{- $processes = append $processes (dict "service" $other "target" (include "tillmesh.target" (dict "root" $root "name" $other))) -}}
{{- end -}}
{{- end -}}
{{- $_ := set $config "processes" $processes -}}
{{- else if $component.channelId -}}
{{- if $redis -}}{{- $_ := set $config "redis" $redis -}}{{- end -}}
{{- if eq $root.Values.profile "evaluation" -}}
{{- $simulated := index (include "tillmesh.evaluation" $root | fromJson).channels $component.channelId -}}
{{- if $simulated -}}{{- $config = mustMergeOverwrite $config $simulated -}}{{- end -}}
{{- end -}}
{{- end -}}
{{- mustMergeOverwrite $config ($component.config | default dict) | toPrettyJson -}}
{{- end -}}

{{/* Whether a component answers LaneService. */}}
{{- define "tillmesh.showsLanes" -}}
{{- if not (has . (list "watch" "order-store" "query" "projector")) -}}true{{- end -}}
{{- end -}}

{{/* What the evaluation's channels and sandbox know of each other; made from the code of npm start. */}}
{{- define "tillmesh.evaluation" -}}
{{- $sandbox := printf "%s.%s.svc.%s" (include "tillmesh.nameOf" (dict "root" . "name" "sandbox")) .Release.Namespace .Values.clusterDomain -}}
{{- $edge := printf "%s.%s.svc.%s:8080" (include "tillmesh.nameOf" (dict "root" . "name" "edge")) .Release.Namespace .Values.clusterDomain -}}
{{- .Files.Get "files/evaluation/mesh.json" | replace "sandbox.invalid" $sandbox | replace "edge.invalid" $edge -}}
{{- end -}}

{{/* Secrets that a component reads, as sources of one projected volume: secret, key, file. */}}
{{- define "tillmesh.secretSources" -}}
{{- $root := .root -}}{{- $name := .name -}}{{- $sources := list -}}
{{- $accounts := dict "order-store" (list "app") "query" (list "read") "projector" (list "read" "lists") "notifier" (list "read" "events") "reconciler" (list "read") "migrate" (list "migrate") -}}
{{- range $account := index $accounts $name -}}
{{- $secret := include "tillmesh.accountSecret" (dict "root" $root "account" $account) | fromJson -}}
{{- $sources = append $sources (dict "name" $secret.name "key" $secret.key "path" (printf "orders-%s" $account)) -}}
{{- end -}}
{{- if has $name (list "order-store" "query" "projector" "notifier" "reconciler") -}}
{{- range $key := $root.Values.orders.rowKeys.keys -}}
{{- $secretName := ternary (include "tillmesh.evaluationSecret" $root) $root.Values.orders.rowKeys.secretName (eq $root.Values.profile "evaluation") -}}
{{- $sources = append $sources (dict "name" $secretName "key" $key.secretKey "path" (printf "row-key-%v" $key.id)) -}}
{{- end -}}
{{- end -}}
{{- if and $root.Values.redis.secretName (ne $root.Values.profile "evaluation") (or (has $name (list "cashier" "syncer" "projector" "notifier" "reconciler")) (hasPrefix "channel-" $name)) -}}
{{- $sources = append $sources (dict "name" $root.Values.redis.secretName "key" $root.Values.redis.secretKey "path" "redis") -}}
{{- end -}}
{{- toJson (dict "sources" $sources) -}}
{{- end -}}
